import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'tap'
import {
  formatKeyName,
  formatPublicKey,
  formatSecretKey,
  parsePublicKey,
  parseSecretKey,
  publicHalf,
} from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { createFullOrigin, createTeam } from '../../../support/storage/full-origin.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 1.9, 3.3 and 6, Keys.

const BASE = '/v1/depot/origins/acme'
const HAB = 'hab/2.1.78/20260801000000 (x86_64-linux; 6.1.0)'

const secretOf = (year: number) => formatSecretKey(makeKeys('acme', `${year}0101120000`).secretKey)

async function start(t: Parameters<typeof startDepot>[0]): Promise<TestDepot> {
  const started = await startDepot(t)
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  return started
}

test('a public key is accepted with any Content-Type', async (t) => {
  const started = await start(t)
  for (const [index, type] of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/octet-stream',
    undefined,
  ].entries()) {
    const { publicKey } = makeKeys('acme', `2026010112000${index}`)
    const path = `${BASE}/keys/${publicKey.revision}`
    const sent = {
      body: Buffer.from(formatPublicKey(publicKey)),
      headers: type === undefined ? {} : { 'content-type': type },
    }
    t.match(
      await callApi(started, 'POST', path, sent),
      { status: 201, text: `/origins/acme/keys/${publicKey.revision}`, headers: { location: path } },
      String(type),
    )
    const file = await callApi(started, 'GET', path, { token: null })
    t.match(file, {
      status: 200,
      text: formatPublicKey(publicKey),
      headers: {
        'content-type': /^text\/plain/,
        'x-filename': `${formatKeyName(publicKey)}.pub`,
        'cache-control': /no-cache/,
      },
    })
  }
})

test('public keys are listed newest first, with locations that do not include the mount', async (t) => {
  const started = await start(t)
  for (const revision of ['20260101120000', '20260301120000', '20260201120000']) {
    await callApi(started, 'POST', `${BASE}/keys/${revision}`, {
      body: formatPublicKey(makeKeys('acme', revision).publicKey),
      headers: { 'content-type': 'text/plain' },
    })
  }
  const answer = await callApi(started, 'GET', `${BASE}/keys`, { token: null })
  t.match(answer, { status: 200, differences: '' })
  t.strictSame(
    answer.body,
    ['20260301120000', '20260201120000', '20260101120000'].map((revision) => ({
      origin: 'acme',
      revision,
      location: `/origins/acme/keys/${revision}`,
    })),
  )
  t.match(await callApi(started, 'GET', `${BASE}/keys/latest`), {
    headers: { 'x-filename': 'acme-20260301120000.pub' },
  })
})

test('members learn that a key exists, and only administrators may add one', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const add = (revision: string) =>
    callApi(started, 'POST', `${BASE}/keys/${revision}`, {
      token: team.tokenOf('maintainer'),
      body: 'no key',
      headers: { 'content-type': 'text/plain' },
    })
  t.match(await add('20250101000000'), { status: 409, text: '' })
  t.match(await add('20270101000000'), {
    status: 403,
    text: 'only an administrator of acme may add a key to it',
  })
})

test('a key that does not match its URL is refused', async (t) => {
  const started = await start(t)
  const { publicKey, secretKey } = makeKeys('acme', '20260101120000')
  const others = makeKeys('other', '20260101120000')
  const refused = async (kind: 'keys' | 'secret_keys', body: string, what: string) => {
    const text = kind === 'keys' ? 'Invalid origin public key' : 'Invalid origin secret key'
    t.match(
      await callApi(started, 'POST', `${BASE}/${kind}/20260101120000`, {
        body,
        headers: { 'content-type': 'text/plain' },
      }),
      { status: 422, text, differences: '' },
      what,
    )
  }
  await refused('keys', formatSecretKey(secretKey), 'a secret key as a public one')
  await refused('keys', formatPublicKey(others.publicKey), 'of another origin')
  await refused('keys', formatPublicKey(makeKeys('acme', '20270101120000').publicKey), 'of another revision')
  await refused('secret_keys', formatPublicKey(publicKey), 'a public key as a secret one')
  await refused('secret_keys', formatSecretKey(others.secretKey), 'a secret key of another origin')
})

test('a secret key is accepted once, at any revision in the path, with the status that each client expects', async (t) => {
  const started = await start(t)
  const add = (body: string, headers: Record<string, string> = {}) =>
    callApi(started, 'POST', `${BASE}/secret_keys/acme`, {
      body,
      headers: { 'content-type': 'text/plain', ...headers },
    })
  t.match(await add(secretOf(2026)), {
    status: 201,
    text: '',
    headers: { location: undefined },
    differences: '',
  })
  t.match(await add(secretOf(2026)), { status: 409, text: '' })
  t.match(await add(secretOf(2027), { 'user-agent': HAB }), { status: 200, text: '', differences: '' })
  const latest = await callApi(started, 'GET', `${BASE}/secret_keys/latest`)
  t.match(latest, {
    status: 200,
    text: secretOf(2027),
    headers: { 'content-type': /^text\/plain/, 'x-filename': 'acme-20270101120000.sig.key' },
  })
})

test('a key pair made by the depot can sign', async (t) => {
  const started = await start(t)
  t.match(await callApi(started, 'POST', `${BASE}/keys`), {
    status: 201,
    text: '',
    headers: { location: undefined },
    differences: '',
  })
  const secret = parseSecretKey((await callApi(started, 'GET', `${BASE}/secret_keys/latest`)).text)
  const half = parsePublicKey((await callApi(started, 'GET', `${BASE}/keys/latest`)).text)
  t.same(publicHalf(secret), half)
})

test('the encryption key is made at the first request and kept', async (t) => {
  const started = await start(t)
  const [first, second] = await Promise.all([
    callApi(started, 'GET', `${BASE}/encryption_key`),
    callApi(started, 'GET', `${BASE}/encryption_key`),
  ])
  t.equal(first.text, second.text, 'concurrent requests get the same key')
  const [version, name = '', empty, encoded = '', ...more] = first.text.split('\n')
  t.strictSame([version, empty, more.length], ['BOX-PUB-1', '', 0])
  t.match(name, /^acme-20260101\d{6}$/)
  t.match(first, {
    status: 200,
    differences: '',
    headers: { 'content-type': /^text\/plain/, 'x-filename': `${name}.pub` },
  })
  t.equal(Buffer.from(encoded, 'base64').length, 32)
  started.setClock(Date.parse('2027-01-01T00:00:00Z'))
  t.equal((await callApi(started, 'GET', `${BASE}/encryption_key`)).text, first.text)
})

test('the halves of the encryption key match, and the secret half is stored encrypted', async (t) => {
  const started = await start(t)
  const { text } = await callApi(started, 'GET', `${BASE}/encryption_key`)
  const [, name = '', , encoded = ''] = text.split('\n')
  const { body } = await started.depot.db
    .selectFrom('origin_keys')
    .select('body')
    .where('kind', '=', 'box_secret')
    .executeTakeFirstOrThrow()
  t.notMatch(body, /BOX-SEC-1/)
  const [version, , , secret = ''] = started.depot.secrets
    .open(body, `origin encryption key ${name}`)
    .split('\n')
  t.equal(version, 'BOX-SEC-1')
  const privateKey = createPrivateKey({
    key: Buffer.concat([
      Buffer.from('302e020100300506032b656e04220420', 'hex'),
      Buffer.from(secret, 'base64'),
    ]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), Buffer.from(encoded, 'base64')]),
    format: 'der',
    type: 'spki',
  })
  t.same(createPublicKey(privateKey).export({ format: 'jwk' }), publicKey.export({ format: 'jwk' }))
})

test('secrets of an origin are not stored in plain text', async (t) => {
  const started = await start(t)
  await callApi(started, 'POST', `${BASE}/secret`, { body: { name: 'password', value: 'hunter2-of-acme' } })
  await callApi(started, 'PUT', `${BASE}/integrations/docker/hub`, {
    body: { username: 'us', password: 'hunter2-of-docker' },
  })
  const rows = [
    ...(await started.depot.db.selectFrom('origin_secrets').selectAll().execute()),
    ...(await started.depot.db.selectFrom('integrations').selectAll().execute()),
    ...(await started.depot.db.selectFrom('ledger').select('text').execute()),
  ]
  t.notMatch(JSON.stringify(rows), /hunter2/)
})
