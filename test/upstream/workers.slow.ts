import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { formatIdent } from '../../src/package/ident.ts'
import { buildHart } from '../support/build-hart.ts'
import { startLiar } from '../support/lying-depot.ts'
import { makeOrigin, upload } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'

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
