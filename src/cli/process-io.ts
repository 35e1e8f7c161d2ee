import { setTimeout as sleep } from 'node:timers/promises'
import type { Io } from './io.ts'

/** Returns the streams, the environment and the signals of this process. */
export function processIo(): Io {
  let controller: AbortController | undefined
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: () => Date.now(),
    pause: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
    // The handlers are set when a command first reads this property. Without them, SIGINT and SIGTERM end the
    // process as usual.
    get signal() {
      if (controller === undefined) {
        const made = new AbortController()
        controller = made
        for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => made.abort(name))
      }
      return controller.signal
    },
  }
}
