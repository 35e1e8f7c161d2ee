import tap, { test } from 'tap'
import type { Scope } from '../../../../src/access/access.ts'
import { formatIdent } from '../../../../src/package/ident.ts'
import { buildHart } from '../../../support/build-hart.ts'
import type { BuildHartOptions, BuiltHart } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeOrigin } from '../../../support/origin.ts'
import { setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { traces } from '../../../support/traces.ts'

const started = await startDepot(tap)
await makeOrigin(started)
await makeOrigin(started, 'umbrella')

/** Creates an account with a role in acme, and a token that may be narrowed. */
async function memberOf(name: string, role: string, scope?: Scope): Promise<string> {
  const token = await started.account(name, scope)
  await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role } })
  return token
}
const ci = await memberOf('ci', 'member', { actions: ['upload'] })
const stranger = await started.account('stranger')

let versions = 0
/** A package that is not published yet. */
function fresh(options: Omit<BuildHartOptions, 'ident'> & { origin?: string } = {}): BuiltHart {
  const { origin = 'acme', ...others } = options
  versions += 1
  return buildHart({ ident: `${origin}/app/1.0.${versions}/20260101120000`, ...others })
}

const upload = (
  body: Buffer,
  {
    query = '',
    token = ci,
    type = 'application/octet-stream',
  }: { query?: string; token?: string; type?: string } = {},
) => callApi(started, 'POST', `/api/v1/releases${query}`, { body, token, headers: { 'content-type': type } })

const download = (hart: BuiltHart, headers: Record<string, string> = {}) =>
  started.app.inject({ url: `/api/v1/releases/${formatIdent(hart.ident)}/download`, headers })

test('a package is published as what it is, once, and downloaded again', async (t) => {
  const hart = fresh()
  const ident = formatIdent(hart.ident)
  const answer = await upload(hart.bytes, { query: `?checksum=${hart.checksum.toUpperCase()}` })
  t.match(answer, {
    status: 201,
    differences: '',
    headers: { location: `/api/v1/releases/${ident}?target=${hart.target}` },
    body: {
      ident,
      target: hart.target,
      checksum: hart.checksum,
      publisher: 'ci',
      views: [{ view: 'unstable' }],
      promotion: null,
    },
  })
  const again = await upload(hart.bytes)
  t.match(again, { status: 200, differences: '', body: answer.body })
  const file = await download(hart)
  t.same(file.rawPayload, hart.bytes)
  t.match(file.headers, { etag: `"${hart.checksum}"`, 'x-filename': /^acme-app-1\.0\.\d+-20260101120000/ })
  t.match(await download(hart, { range: 'bytes=0-3', 'if-range': `"${hart.checksum}"` }), {
    statusCode: 206,
    body: 'HART',
  })
})

test('a browser uploads with a form', async (t) => {
  const hart = fresh()
  const form = Buffer.concat([
    Buffer.from(
      '--xyz\r\nContent-Disposition: form-data; name="file"; filename="app.hart"\r\nContent-Type: application/octet-stream\r\n\r\n',
    ),
    hart.bytes,
    Buffer.from('\r\n--xyz--\r\n'),
  ])
  t.match(await upload(form, { type: 'multipart/form-data; boundary=xyz' }), {
    status: 201,
    body: { ident: formatIdent(hart.ident) },
  })
  t.match(await upload(form, { type: 'multipart/form-data; boundary=abc' }), {
    status: 400,
    differences: '',
    body: { code: 'invalid_request' },
  })
})

test('the result is available as text', async (t) => {
  const hart = fresh()
  t.match(await upload(hart.bytes, { query: '?format=text' }), {
    status: 201,
    text: new RegExp(`^RELEASE +${formatIdent(hart.ident)}`),
  })
})

test('a refused package says why and leaves nothing behind', async (t) => {
  const hart = fresh()
  await upload(hart.bytes)
  const before = await traces(started.depot)
  const ident = formatIdent(hart.ident)
  for (const [what, body, options, status, code, words] of [
    ['other bytes', buildHart({ ident, config: 'x = 1' }).bytes, {}, 409, 'already_exists', ident],
    [
      'another checksum',
      fresh().bytes,
      { query: `?checksum=${'0'.repeat(64)}` },
      422,
      'checksum_mismatch',
      '000',
    ],
    ['a bad checksum', fresh().bytes, { query: '?checksum=0' }, 400, 'invalid_request', 'checksum'],
    ['no package', Buffer.from('{}'), {}, 422, 'hart_malformed', ''],
    ['no body', Buffer.alloc(0), {}, 422, 'hart_malformed', ''],
    ['half a file', fresh().bytes.subarray(0, 300), {}, 422, 'signature_invalid', ''],
    ['a wrong signature', fresh({ flaws: ['wrong-signature'] }).bytes, {}, 422, 'signature_invalid', ''],
    ['an origin of others', fresh({ origin: 'umbrella' }).bytes, {}, 403, 'forbidden', 'umbrella'],
  ] as const)
    t.match(
      await upload(body, options),
      { status, differences: '', body: { code, detail: mentions(words) } },
      what,
    )
  t.same(await traces(started.depot), before)
})

test('nobody learns of a private package by uploading its ident', async (t) => {
  const hart = fresh({ origin: 'umbrella' })
  await callApi(started, 'POST', '/api/v1/releases', { body: hart.bytes })
  await setVisibility(started, formatIdent(hart.ident), 'private')
  for (const { bytes } of [hart, fresh({ origin: 'umbrella' })])
    t.match(await upload(bytes), {
      status: 403,
      body: { detail: 'ci is not a member of the origin umbrella' },
    })
  t.equal((await download(hart)).statusCode, 404)
})

test('callers who may upload nothing are refused before the body', async (t) => {
  const reader = await memberOf('reader', 'member', { actions: ['read'] })
  const elsewhere = await memberOf('elsewhere', 'member', { origins: ['umbrella'] })
  for (const [token, status] of [
    [null, 401],
    [stranger, 403],
    [reader, 403],
    [elsewhere, 403],
  ] as const)
    t.match(await callApi(started, 'POST', '/api/v1/releases', { token }), { status, differences: '' })
})

test('an upload promotes at once, through the rules of the view', async (t) => {
  const maintainer = await memberOf('maintainer', 'maintainer')
  const hart = fresh()
  const query = '?view=acceptance'
  t.match(await upload(hart.bytes, { query, token: maintainer }), {
    status: 201,
    differences: '',
    body: {
      views: { length: 2 },
      promotion: { view: 'acceptance', changed: true, releases: [{ ident: formatIdent(hart.ident) }] },
    },
  })
  t.match(await upload(hart.bytes, { query, token: maintainer }), {
    status: 200,
    body: { promotion: { changed: false } },
  })
  t.match(await upload(fresh().bytes, { query }), {
    status: 403,
    body: { detail: 'this token may not promote' },
  })
  t.match(await upload(fresh().bytes, { query: '?view=nowhere', token: maintainer }), { status: 404 })

  await callApi(started, 'PUT', '/api/v1/views/acceptance/freeze', { body: { reason: 'audit' } })
  const held = fresh()
  t.match(await upload(held.bytes, { query, token: maintainer }), {
    status: 409,
    differences: '',
    body: { code: 'refused', detail: mentions(formatIdent(held.ident), 'is published', 'audit') },
  })
  await callApi(started, 'DELETE', '/api/v1/views/acceptance/freeze')
  t.match(await upload(held.bytes, { query, token: maintainer }), {
    status: 200,
    body: { promotion: { changed: true } },
  })
})

test('two uploads of one file at once make one release', async (t) => {
  const hart = fresh()
  const answers = await Promise.all([upload(hart.bytes), upload(hart.bytes), upload(hart.bytes)])
  t.strictSame(answers.map(({ status }) => String(status)).toSorted(), ['200', '200', '201'])
})
