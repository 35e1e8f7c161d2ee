import { randomBytes } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { test } from 'tap'
import type { Mirror } from '../../src/client/operations.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { buildHart } from '../support/build-hart.ts'
import { startLiar } from '../support/faults/lying-depot.ts'
import { bearer, makeOrigin, promoteTo, upload } from '../support/origin.ts'
import { scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

const IDENT = 'core/glibc/2.40/20260101120000'
const content = randomBytes(16 * 1024 * 1024)
const hart = buildHart({ ident: IDENT, files: [{ path: `hab/pkgs/${IDENT}/lib/libc.so`, content }] })

test('clients of all threads share one fetch, and get the bytes while they arrive', async (t) => {
  const upstream = await startDepot(t, { listen: true })
  await makeOrigin(upstream, 'core')
  await upload(upstream, hart)
  const gate = Promise.withResolvers<void>()
  const half = hart.bytes.length / 2
  const { url, asked } = await startLiar(t, upstream.url, (path, answer) => {
    if (!path.includes('/download')) return false
    answer.writeHead(200, { 'content-length': hart.bytes.length })
    answer.write(hart.bytes.subarray(0, half))
    void gate.promise.then(() => answer.end(hart.bytes.subarray(half)))
    return true
  })
  const site = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core', DEPOT_WORKERS: '3' },
  })
  const answers = await Promise.all(
    Array.from({ length: 12 }, () =>
      fetch(`${site.url}/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=${hart.target}`, {
        headers: { connection: 'close' },
      }),
    ),
  )
  const readers = answers.map((answer) => answer.body?.getReader())
  const firsts = await Promise.all(readers.map(async (reader) => reader?.read()))
  t.ok(
    firsts.every((first) => first?.done === false),
    'all have bytes before upstream has sent everything',
  )
  gate.resolve()
  const sizes = await Promise.all(
    readers.map(async (reader, index) => {
      let size = firsts[index]?.value?.length ?? 0
      for (let next = await reader?.read(); next?.done === false; next = await reader?.read())
        size += next.value.length
      return size
    }),
  )
  t.strictSame(
    sizes,
    sizes.map(() => hart.bytes.length),
  )
  t.equal(asked.filter((path) => path.includes('/download')).length, 1)
  const show = `${site.url}/v1/depot/pkgs/core/glibc/9.9/20260101120000?target=${hart.target}`
  const statuses = await Promise.all(Array.from({ length: 6 }, async () => (await fetch(show)).status))
  t.strictSame(new Set(statuses), new Set([404]))
})

test('every thread refreshes channels and runs the mirror, which the main thread does once', async (t) => {
  const upstream = await startDepot(t, { listen: true })
  await makeOrigin(upstream, 'core')
  const redis = buildHart({ ident: 'core/redis/7.0.0/20260101120000' })
  await upload(upstream, redis)
  await promoteTo(upstream, 'stable', redis)
  const site = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: {
      DEPOT_UPSTREAM: upstream.url,
      DEPOT_UPSTREAM_ORIGINS: 'core',
      DEPOT_MIRROR: 'core/stable',
      DEPOT_WORKERS: '3',
      DEPOT_LOG_LEVEL: 'silent',
    },
  })
  const everywhere = async (method: string, path: string) => {
    const headers = { ...bearer(), connection: 'close' }
    const ask = async () =>
      (await fetch(`${site.url}/api/v1${path}`, { method, headers })).json() as Promise<Mirror>
    return Promise.all(Array.from({ length: 12 }, ask))
  }
  t.match(
    await everywhere('POST', '/upstream/refresh'),
    Array.from({ length: 12 }, () => ({ channels: [{ channel: 'stable' }] })),
  )
  await everywhere('POST', '/upstream/mirror')
  await until('the mirror has run', async () =>
    (await everywhere('GET', '/upstream/mirror')).every((answer) => answer.status.ended_at !== null),
  )
  t.match(await everywhere('GET', '/upstream/mirror'), [{ status: { planned: 1, fetched: 1, fault: null } }])
  t.match(await everywhere('GET', '/views/stable'), [{ revision: 1 }])
})

test('a download ends when the thread that receives the package dies', async (t) => {
  const upstream = await startDepot(t, { listen: true })
  await makeOrigin(upstream, 'core')
  await upload(upstream, hart)
  const { url } = await startLiar(t, upstream.url, (path, answer) => {
    if (!path.includes('/download')) return false
    answer.writeHead(200, { 'content-length': hart.bytes.length })
    answer.write(hart.bytes.subarray(0, hart.bytes.length / 2))
    return true
  })
  const threads: Worker[] = []
  const note = (thread: Worker) => void (thread.threadName === 'upstream' && threads.push(thread))
  process.on('worker', note)
  t.teardown(() => process.off('worker', note))
  const site = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core' },
  })
  const answer = await fetch(
    `${site.url}/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=${hart.target}`,
    { headers: { connection: 'close' }, signal: AbortSignal.timeout(20_000) },
  )
  const reader = answer.body?.getReader()
  t.match(await reader?.read(), { done: false })
  await threads[0]?.terminate()
  const readOn = async () => {
    while ((await reader?.read())?.done === false);
  }
  await t.rejects(readOn(), { name: 'TypeError' }, 'the connection is cut, and does not wait for ever')
})

test('a thread that dies is replaced, also if the first attempt fails', async (t) => {
  const file = join(await scratchFolder(t), 'token')
  await writeFile(file, 'secret', { mode: 0o600 })
  const threads: Worker[] = []
  const note = (thread: Worker) => void (thread.threadName === 'upstream' && threads.push(thread))
  process.on('worker', note)
  t.teardown(() => process.off('worker', note))
  const site = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: {
      DEPOT_UPSTREAM: 'http://127.0.0.1:9',
      DEPOT_UPSTREAM_ORIGINS: 'core',
      DEPOT_UPSTREAM_TOKEN_FILE: file,
    },
  })
  await rename(file, `${file}.away`)
  await threads[0]?.terminate()
  await until('an attempt fails', () => site.logged.some(({ msg }) => /did not start/.test(String(msg))))
  await rename(`${file}.away`, file)
  await until('a thread answers', async () => {
    const { status } = await fetch(`${site.url}/api/v1/upstream`, { headers: bearer() })
    return status === 200
  })
  t.equal(threads.at(-1)?.threadName, 'upstream')
})
