import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'

// A measured server runs in a process of its own, so that its cost can be separated from that of the load.

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  /**
   * The processor time of all its threads and of the programs that it ran, kernel time included, in
   * milliseconds.
   */
  cpuMs(): Promise<number>
}

/** A server of our own, which can also report its memory. */
export interface NodeProcess extends ServerProcess {
  /**
   * The bytes in use after a garbage collection. Unlike resident memory, they do not vary with the collector.
   */
  liveBytes(): Promise<number>
}

/** The messages of a child: first its port, then the answers to requests. */
export type ChildMessage =
  | { readonly port: number }
  | { readonly cpuMs: number }
  | { readonly liveBytes: number }

const MAX_CLOSE_MS = 10_000

/** Starts a script in this folder, which calls {@link serve}. It is closed at the end of its scope. */
export async function startServer(
  script: 'bare.ts' | 'by-hand.ts' | 'depot.ts' | 'idle.ts' | 'pages-by-hand.ts',
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<NodeProcess> {
  const env = { ...process.env, ...environment }
  const child = fork(new URL(script, import.meta.url), args, {
    env,
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const hear = async (): Promise<ChildMessage> => {
    const heard = Promise.withResolvers<ChildMessage>()
    const fail = (code: number | null) => heard.reject(new Error(`${script} ended with ${code}`))
    child.once('message', (message) => heard.resolve(message as ChildMessage))
    child.once('exit', fail)
    return heard.promise.finally(() => child.off('exit', fail))
  }
  const started = await hear()
  if (!('port' in started) || child.pid === undefined)
    throw new Error(`${script} did not say where it listens`)
  return {
    pid: child.pid,
    port: started.port,
    async cpuMs() {
      const answer = hear()
      child.send('cpu')
      const heard = await answer
      return 'cpuMs' in heard ? heard.cpuMs : Number.NaN
    },
    async liveBytes() {
      const answer = hear()
      child.send('live')
      const heard = await answer
      return 'liveBytes' in heard ? heard.liveBytes : Number.NaN
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      const kill = setTimeout(() => child.kill('SIGKILL'), MAX_CLOSE_MS)
      child.disconnect()
      await gone
      clearTimeout(kill)
    },
  }
}

/**
 * Runs in the child: reports the port, answers requests for costs and memory, and closes when the parent says
 * so or is gone.
 */
export function serve(port: number, close: () => Promise<void>): void {
  process.on('message', (asked) => {
    if (asked === 'live') {
      globalThis.gc?.()
      const { heapUsed, external } = process.memoryUsage()
      tell({ liveBytes: heapUsed + external })
      return
    }
    const { user, system } = process.cpuUsage()
    tell({ cpuMs: (user + system) / 1000 + endedProgramsMs() })
  })
  process.once('disconnect', () => void close())
  tell({ port })
}

/**
 * Returns the resident memory in bytes: now, and the peak since {@link forgetPeakMemory}. `undefined` unless
 * this is Linux.
 */
export function memoryOf(pid: number): { bytes: number; peakBytes: number } | undefined {
  if (process.platform !== 'linux') return undefined
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
  return { bytes: field('VmRSS'), peakBytes: field('VmHWM') }
}

/**
 * Returns the memory of a process in bytes, with a share of what it shares with others. `undefined` unless
 * this is Linux.
 */
export function proportionalMemoryOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024
}

export function forgetPeakMemory(pid: number): void {
  if (process.platform === 'linux') writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** Linux counts ended programs in hundredths of a second. Elsewhere they are left out. */
function endedProgramsMs(): number {
  if (process.platform !== 'linux') return 0
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const [userTicks = 0, systemTicks = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15)
    .map(Number)
  return (userTicks + systemTicks) * 10
}

function tell(message: ChildMessage): void {
  process.send?.(message)
}
