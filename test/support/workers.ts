import type { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import { ask } from './ask.ts'
import type { Answer } from './ask.ts'
import { startDepot } from './start-depot.ts'
import type { TestDepot } from './start-depot.ts'

// Depots with several HTTP threads. Each request comes on a connection of its own, which the system gives to
// any of the threads. Sixteen reach all of them nearly always.

export const EVERYWHERE = 16

export const VERSIONS = ['acme/app/1.0.0/20260101120000', 'acme/app/2.0.0/20260101120000']

export interface Started extends TestDepot {
  /** Those that answer requests, besides the thread that opened the depot. */
  readonly threads: Worker[]
}

/** Starts a depot with two HTTP threads, unless the environment says otherwise. */
export async function start(
  t: Pick<Test, 'teardown'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const threads: Worker[] = []
  const note = (thread: Worker) =>
    void (thread.threadName?.startsWith('worker') === true && threads.push(thread))
  process.on('worker', note)
  t.teardown(() => process.off('worker', note))
  const started = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: { DEPOT_WORKERS: '2', DEPOT_LOG_LEVEL: 'silent', ...environment },
  })
  return { ...started, threads }
}

/** Sends as many requests as reach every thread. */
export async function everywhere(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer[]> {
  return Promise.all(Array.from({ length: EVERYWHERE }, () => ask(url, { headers })))
}

export async function metric({ url }: TestDepot, name: string): Promise<number> {
  const { text } = await ask(`${url}/metrics`)
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  )
}
