import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'

// A server under measure runs in a process of its own, so that what it costs can be told from what the load costs.

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  /** Processor time used so far by all its threads, in the kernel too, in milliseconds. */
  cpuMs(): Promise<number>
}

/** One of ours, which can also tell what it holds. */
export interface NodeProcess extends ServerProcess {
  /** Bytes that are left after a collection: unlike resident memory, they do not swing with the collector. */
  liveBytes(): Promise<number>
}

/** What a child says: once where it listens, then what it is asked for. */
export type ChildMessage =
  | { readonly port: number }
  | { readonly cpuMs: number }
  | { readonly liveBytes: number }

const LONGEST_CLOSE_MS = 10_000

/** Starts a script beside this file, which calls {@link serve}. Closed where its scope ends. */
export async function startServer(
  script: 'bare.ts' | 'depot.ts' | 'idle.ts',
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
      const kill = setTimeout(() => child.kill('SIGKILL'), LONGEST_CLOSE_MS)
      child.disconnect()
      await gone
      clearTimeout(kill)
    },
  }
}

/** The child's side: tells where it listens, answers what it used and what it holds, and closes when its parent is done with it or gone. */
export function serve(port: number, close: () => Promise<void>): void {
  process.on('message', (asked) => {
    if (asked === 'live') {
      globalThis.gc?.()
      const { heapUsed, external } = process.memoryUsage()
      tell({ liveBytes: heapUsed + external })
      return
    }
    const { user, system } = process.cpuUsage()
    tell({ cpuMs: (user + system) / 1000 })
  })
  process.once('disconnect', () => void close())
  tell({ port })
}

/** Resident memory in bytes: now, and the most since {@link forgetPeakMemory}. `undefined` where there is no Linux to ask. */
export function memoryOf(pid: number): { bytes: number; peakBytes: number } | undefined {
  if (process.platform !== 'linux') return undefined
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
  return { bytes: field('VmRSS'), peakBytes: field('VmHWM') }
}

export function forgetPeakMemory(pid: number): void {
  if (process.platform === 'linux') writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function tell(message: ChildMessage): void {
  process.send?.(message)
}
