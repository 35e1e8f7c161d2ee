import { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, upload } from '../support/origin.ts'
import { ask } from '../support/ask.ts'
import { startDepot } from '../support/start-depot.ts'

const UPSTREAM = 'https://bldr.example'
const actor = { client: 'tests', door: 'cli' } as const

test('an upstream origin accepts no uploads and no keys', async (t) => {
  const started = await startDepot(t, { listen: true })
  const { depot, url } = started
  await makeOrigin(started, 'core')
  const [before] = await publishAll(started, 'core/redis/7.0.0/20260101120000')
  const adopt = { kind: 'adoptOrigin', input: { origin: 'core', upstream: UPSTREAM }, actor } as const
  t.strictSame(await depot.writer.submit(adopt), { isChanged: true })
  t.strictSame(await depot.writer.submit(adopt), { isChanged: false })

  const hart = buildHart({ ident: 'core/redis/7.0.1/20260102120000' })
  const refused = await upload(started, hart)
  t.equal(refused.status, 403)
  t.match(refused.text, /core\/redis\/7.0.1\/20260102120000 cannot be added here/)
  const byFile = await ask(`${url}/api/v1/releases`, { method: 'POST', headers: bearer(), body: hart.bytes })
  t.match(JSON.parse(byFile.text), { status: 403, code: 'origin_from_upstream' })
  const { publicKey } = makeKeys('core')
  const key = await ask(`${url}/v1/depot/origins/core/keys/20300101000000`, {
    method: 'POST',
    headers: bearer(),
    body: Buffer.from(formatPublicKey({ ...publicKey, revision: '20300101000000' })),
  })
  t.equal(key.status, 403)
  const pair = await ask(`${url}/v1/depot/origins/core/keys`, { method: 'POST', headers: bearer() })
  t.equal(pair.status, 403)
  await t.rejects(depot.writer.submit({ kind: 'deleteOrigin', input: { origin: 'core' }, actor }), {
    code: 'origin_from_upstream',
  })
  t.match(JSON.parse((await ask(`${url}/api/v1/origins/core`)).text), { is_upstream: true })
  t.ok(before, 'what was there stays')

  t.strictSame(await depot.writer.submit({ kind: 'disownOrigin', input: { origin: 'core' }, actor }), {
    isChanged: true,
  })
  t.equal((await upload(started, hart)).status, 201)
})
