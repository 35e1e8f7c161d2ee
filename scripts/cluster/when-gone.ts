import { spawn } from 'node:child_process'
import { Socket } from 'node:net'

/** The user and group that a process runs as. */
export interface User {
  readonly uid: number
  readonly gid: number
}

/**
 * Runs a shell script once this process has ended, however it ended: a small process waits until the pipe from
 * this one closes. `args` are `$1`, `$2` and so on. Returns a function that takes the plan back.
 */
export function whenGone(script: string, args: readonly string[], user?: User): () => void {
  const guard = spawn('/bin/sh', ['-c', `read -r line; [ -n "$line" ] || { ${script}; }`, 'guard', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // so that Ctrl-C in a terminal does not end it together with this process
    cwd: '/',
    ...user,
  })
  guard.stdin.on('error', () => undefined) // someone ended the guard
  guard.unref()
  if (guard.stdin instanceof Socket) guard.stdin.unref()
  return () => guard.stdin.end('cancelled\n')
}
