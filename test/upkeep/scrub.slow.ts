import { test } from 'tap'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bearer, upload } from '../support/origin.ts'
import { FAST, start, download, flipByte, scrubOf } from '../support/storage/scrub.ts'

test('all threads refuse damaged bytes, and the first one records the damage', async (t) => {
  const { started, harts, pathOf } = await start(t, {
    hasThreads: true,
    environment: { ...FAST, DEPOT_WORKERS: '2', DEPOT_LOG_LEVEL: 'silent' },
  })
  const [hart] = harts as [BuiltHart]
  await flipByte(pathOf(hart))
  await scrubOf(started).pass()
  const statuses = (await Promise.all(Array.from({ length: 16 }, () => download(started, hart)))).map(
    ({ status }) => status,
  )
  t.strictSame(new Set(statuses), new Set([503]))
  const uploads = await Promise.all(
    Array.from({ length: 6 }, () => upload(started, hart, { headers: bearer() })),
  )
  t.ok(uploads.some(({ status }) => status === 201))
  t.ok(uploads.every(({ status }) => status === 201 || status === 409))
  const served = await Promise.all(Array.from({ length: 16 }, () => download(started, hart)))
  t.ok(served.every(({ status, body }) => status === 200 && body.compare(hart.bytes) === 0))
  t.equal(buildHart().checksum, hart.checksum)
})
