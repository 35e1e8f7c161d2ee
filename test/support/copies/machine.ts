import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { makeKeys } from '../build-hart.ts'
import { commandsOn } from '../command.ts'
import type { CommandOptions } from '../command.ts'
import type { TestDepot } from '../start-depot.ts'

/** An event that `follow --json` prints. */
export interface FollowEvent {
  readonly event: string
  readonly ident?: string
  readonly detail?: string
  readonly until?: string
}

/** Makes a machine: a folder with a key, a state and a hook that notes what it was given. */
export function makeMachine(t: Test, started: TestDepot, { script = 'exit 0', view = 'union' } = {}) {
  const run = commandsOn(started)
  const folder = t.testdir({})
  const [key, hook, notes, state] = ['key.pub', 'hook.sh', 'notes', 'state'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string]
  writeFileSync(key, formatPublicKey(makeKeys('acme').publicKey))
  const setHook = (text: string) => {
    writeFileSync(hook, `#!/bin/sh\necho "$1 $2 $HART_DEPOT_PREVIOUS" >> ${notes}\n${text}\n`)
    chmodSync(hook, 0o755)
  }
  setHook(script)
  const args = [
    'follow',
    'acme/app',
    '--view',
    view,
    '--exec',
    hook,
    '--state',
    state,
    '--target',
    'x86_64-linux',
  ]
  const env = { HOME: folder }
  return {
    key,
    setHook,
    files: join(state, 'acme-app-x86_64-linux'),
    notes: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n') : []),
    once: async (...more: readonly string[]) => run([...args, '--key', key, '--once', ...more], { env }),
    /** Follows until `isEnough` says so of an event. */
    follow: async (
      isEnough: (event: FollowEvent) => unknown,
      more: readonly string[] = [],
      options: CommandOptions = {},
    ) => {
      const stop = new AbortController()
      const events: FollowEvent[] = []
      const result = await run([...args, '--key', key, '--json', ...more], {
        ...options,
        env: { ...env, ...options.env },
        signal: stop.signal,
        onOutput: (line) => {
          const event = JSON.parse(line) as FollowEvent
          events.push(event)
          if (isEnough(event)) stop.abort('SIGTERM')
        },
      })
      return { ...result, events }
    },
    args,
    env,
  }
}
