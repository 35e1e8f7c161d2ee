import { test } from 'tap'
import { formatPublicKey, formatSecretKey } from '../../src/hart/origin-key.ts'
import { findLatestKey, listKeyRevisions } from '../../src/origins/origin-store.ts'
import { makeKeys } from '../support/build-hart.ts'
import { bearer, makeOrigin } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

async function post(started: TestDepot, path: string, payload: string, headers: Record<string, string> = {}) {
  const {
    statusCode,
    body,
    headers: given,
  } = await started.app.inject({
    method: 'POST',
    url: `/v1/depot/${path}`,
    headers: { ...bearer(), ...headers },
    payload,
  })
  return { status: statusCode, body, headers: given }
}

async function get(started: TestDepot, path: string, headers: Record<string, string> = {}) {
  const { statusCode, body, headers: given } = await started.app.inject({ url: `/v1/depot/${path}`, headers })
  return { status: statusCode, body, headers: given }
}

test('an origin is created once, with a valid name, with any Content-Type', async (t) => {
  const started = await startDepot(t)
  for (const [name, type] of [
    ['acme', 'application/json'],
    ['a-1_b', 'text/plain'],
    ['0', 'application/x-www-form-urlencoded'],
  ] as const) {
    t.match(
      await post(started, 'origins', JSON.stringify({ name }), { 'content-type': type }),
      { status: 201 },
      name,
    )
  }
  t.match(await post(started, 'origins', '{"name":"acme"}'), { status: 409, body: '' })
  for (const name of ['Acme', '-acme', '', 'a/b', 'a\0b', 'a'.repeat(256)])
    t.match(
      await post(started, 'origins', JSON.stringify({ name })),
      { status: 417, body: '' },
      JSON.stringify(name.slice(0, 9)),
    )
  for (const body of ['', '{', '[]', '{"name":1}', 'null'])
    t.match(await post(started, 'origins', body), { status: 400, body: '' }, body)
  t.match(await get(started, 'origins/acme'), { status: 200 })
  t.match(JSON.parse((await get(started, 'origins/acme')).body), {
    name: 'acme',
    owner_id: '1',
    owner_account: 'admin',
    private_key_name: null,
    default_package_visibility: 'public',
  })
  t.match(await get(started, 'origins/nobody'), { status: 404, body: '' })
})

test('public keys are returned unchanged to everyone, also below a view', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const newer = makeKeys('acme', '20270101000000')
  const file = `${formatPublicKey(newer.publicKey)}\n` // with a final newline, which some tools omit
  t.match(await post(started, 'origins/acme/keys/20270101000000', file), {
    status: 201,
    body: '/origins/acme/keys/20270101000000',
    headers: { location: '/v1/depot/origins/acme/keys/20270101000000' },
  })
  for (const place of ['', 'views/acceptance/', 'views/acceptance/depot/']) {
    t.match(await get(started, `${place}origins/acme/keys/20270101000000`), {
      status: 200,
      body: file,
      headers: {
        'x-filename': 'acme-20270101000000.pub',
        'content-disposition': 'attachment; filename="acme-20270101000000.pub"',
        'cache-control': 'private, no-cache, no-store',
      },
    })
    t.match(await get(started, `${place}origins/acme/keys/latest`), {
      status: 200,
      headers: { 'x-filename': 'acme-20270101000000.pub' },
    })
    t.strictSame(JSON.parse((await get(started, `${place}origins/acme/keys`)).body), [
      { origin: 'acme', revision: '20270101000000', location: '/origins/acme/keys/20270101000000' },
      { origin: 'acme', revision: '20260101000000', location: '/origins/acme/keys/20260101000000' },
    ])
  }
  t.match(await get(started, 'origins/nobody/keys'), { status: 200, body: '[]' })
  for (const path of [
    'origins/nobody/keys/latest',
    'origins/acme/keys/20280101000000',
    'origins/acme/keys/%00',
    'origins/acme%2Fx/keys/20270101000000',
  ]) {
    t.match(await get(started, path), { status: 404, body: '' }, path)
  }
})

test('a key that does not match its URL is refused', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  await makeOrigin(started, 'other')
  const { publicKey, secretKey } = makeKeys('acme', '20270101000000')
  const refused = {
    nothing: '',
    'another text': 'hello',
    'a secret key': formatSecretKey(secretKey),
    'a key of another origin': formatPublicKey(makeKeys('other', '20270101000000').publicKey),
    'another revision': formatPublicKey(makeKeys('acme', '20270202000000').publicKey),
    'half a key': formatPublicKey(publicKey).slice(0, -10),
  }
  for (const [what, body] of Object.entries(refused))
    t.equal((await post(started, 'origins/acme/keys/20270101000000', body)).status, 422, what)
  t.equal((await post(started, 'origins/acme/keys/20270101000000', 'x'.repeat(20_000))).status, 413)
  t.match(
    await post(started, 'origins/acme/keys/20260101000000', 'whatever'),
    { status: 409, body: '' },
    'one that is there is not read',
  )
  t.same(await listKeyRevisions(started.depot.db, 'acme', 'public'), ['20260101000000'])
})

test('a secret key is stored encrypted and returned unchanged', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const file = formatSecretKey(makeKeys('acme').secretKey)
  t.equal(
    (await post(started, 'origins/acme/secret_keys/acme', file, { 'user-agent': 'hab/2.1.78' })).status,
    200,
    'hab names the origin, and wants 200',
  )
  t.equal((await post(started, 'origins/acme/secret_keys/20260101000000', file)).status, 409)
  const kept = await findLatestKey(started.depot.db, 'acme', 'secret')
  t.notMatch(kept?.body, file.split('\n').at(-1))
  t.match(await get(started, 'origins/acme/secret_keys/latest', bearer()), {
    status: 200,
    body: file,
    headers: { 'x-filename': 'acme-20260101000000.sig.key', 'cache-control': 'private, no-cache, no-store' },
  })
  t.match(JSON.parse((await get(started, 'origins/acme')).body), { private_key_name: 'acme-20260101000000' })
  t.notOk(JSON.stringify(started.logged).includes(file.split('\n').at(-1) ?? ''), 'no log has it')
})
