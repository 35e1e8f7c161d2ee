import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Pace } from './paced.ts'
import { getRequest } from './load.ts'

// Polls at a fixed rate while something else happens.

const POLLS_PER_SECOND = 400
const CONNECTIONS = 8

/** The milliseconds of each poll. */
export type Taken = readonly number[]

/** A process that polls. */
export interface Polls extends AsyncDisposable {
  /** Polls during some work, and resolves with the time of each poll. */
  during(act: () => Promise<unknown>): Promise<Taken>
}

/** Starts a process that asks for the paths in turns, on kept connections. */
export function startPolls(
  port: number,
  paths: readonly string[],
  headers: Readonly<Record<string, string>>,
): Polls {
  const child = fork(new URL('./paced.ts', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const gone = once(child, 'exit')
  const requests = paths.map((path) => getRequest(path, headers, 'keep-alive').toString())
  const pace: Pace = { port, requests, perSecond: POLLS_PER_SECOND, connections: CONNECTIONS }
  return {
    async during(act) {
      child.send(pace)
      await act()
      const answered = once(child, 'message')
      child.send('stop')
      const fail = gone.then(() => {
        throw new Error('the process that polls has ended')
      })
      const [taken] = (await Promise.race([answered, fail])) as [Taken]
      return taken
    },
    async [Symbol.asyncDispose]() {
      child.disconnect()
      await gone
    },
  }
}

export function percentile99(taken: Taken): number {
  return taken.toSorted((a, b) => a - b)[Math.floor(taken.length * 0.99)] ?? Number.NaN
}
