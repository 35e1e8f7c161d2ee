import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Io } from '../io.ts'

/** How long a command may take to end after SIGTERM, before it is killed. */
const GRACE_MS = 5_000
/** The longest time that a timer of Node can wait, 24.8 days. A longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1
/** How often to look whether a process group has ended. */
const LOOK_EVERY_MS = 20

export interface CommandToRun {
  /** The program and its arguments. */
  readonly words: readonly [string, ...string[]]
  readonly folder: string
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Ends the command with everything it started. */
  readonly signal: AbortSignal
  readonly timeoutMs?: number | undefined
  readonly graceMs?: number
}

export type CommandEnd =
  | { readonly how: 'exited'; readonly code: number }
  | { readonly how: 'killed'; readonly signal: string }
  | { readonly how: 'timed out' }
  /** The signal of {@link CommandToRun} ended it. */
  | { readonly how: 'stopped' }
  /** It could not be started. */
  | { readonly how: 'not found'; readonly reason: string }

/**
 * Runs a command to its end, in a process group of its own. The command writes to the same file as this
 * process does, stderr, so its output is neither delayed nor kept in memory. To stop it, the whole group gets
 * SIGTERM, and SIGKILL if a process of it is left some seconds later.
 */
export async function runCommand(io: Io, command: CommandToRun): Promise<CommandEnd> {
  const { words, folder, env = {}, signal, timeoutMs, graceMs = GRACE_MS } = command
  if (signal.aborted) return { how: 'stopped' }
  const [program, ...args] = words
  const fd = descriptorOf(io)
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...io.env, ...env },
    stdio: ['ignore', fd ?? 'pipe', fd ?? 'pipe'],
    detached: true, // makes a process group
  })
  for (const output of [child.stdout, child.stderr])
    output?.setEncoding('utf8').on('data', (text: string) => void io.stderr.write(text))
  const { promise: ended, resolve: end } = Promise.withResolvers<CommandEnd>()
  child.once('error', (error) => end({ how: 'not found', reason: reasonOf(error) }))
  child.once(fd === undefined ? 'close' : 'exit', (code, killedBy) =>
    end(code === null ? { how: 'killed', signal: killedBy ?? 'a signal' } : { how: 'exited', code }),
  )
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<CommandEnd>()
  const stop = () => interrupt({ how: 'stopped' })
  signal.addEventListener('abort', stop, { once: true })
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => interrupt({ how: 'timed out' }), Math.min(timeoutMs, MAX_TIMER_MS))
  try {
    const result = await Promise.race([ended, interrupted])
    if (result.how === 'stopped' || result.how === 'timed out') await endGroup(child.pid, graceMs)
    return result
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'the program, or the interpreter that its first line names, does not exist'
  if (code === 'EACCES') return 'it may not be executed'
  return message
}

/** Sends SIGTERM to a process group, and SIGKILL if a process of it is left after `graceMs`. */
async function endGroup(pid: number | undefined, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs
  for (let isLeft = signalGroup(pid, 'SIGTERM'); isLeft; isLeft = signalGroup(pid, 0)) {
    if (performance.now() > deadline) return void signalGroup(pid, 'SIGKILL')
    await sleep(LOOK_EVERY_MS)
  }
}

/** Sends a signal to a process group; 0 sends none. Returns whether the group had a process. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false
  try {
    return process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Returns the program and arguments that run a line of the configuration in a shell. */
export function shellWords(line: string): [string, ...string[]] {
  return ['sh', '-c', line]
}

/** Returns the file descriptor of stderr, or `undefined` if a test has replaced it. */
function descriptorOf({ stderr }: Io): number | undefined {
  return 'fd' in stderr && typeof stderr.fd === 'number' ? stderr.fd : undefined
}
