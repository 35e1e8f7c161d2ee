import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ask, converse } from '../../support/ask.ts'
import { buildHart, buildTar, buildXz, joinXz, makeKeys } from '../../support/build-hart.ts'
import type { BuiltHart, Flaw } from '../../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, upload, uploadPath } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'

// Every upload here fails. Each gets its status, is named in the log, leaves nothing behind, and does not
// block its ident.

const whole = buildHart({ ident: 'acme/app/1.1.0/20260101120000' })

function lastRefusal({ logged }: TestDepot): string {
  return String(logged.findLast((line) => line['refusal'] !== undefined)?.['refusal'])
}

const FLAWS: Record<Flaw, readonly [code: string, text: string]> = {
  'wrong-signature': ['signature_invalid', ''],
  'signs-other-bytes': ['signature_invalid', ''],
  'signed-by-another': ['signature_invalid', ''],
  'cut-off': ['hart_malformed', 'ds:up:0'],
  'no-payload': ['hart_malformed', 'ds:up:0'],
  'not-xz': ['hart_malformed', 'ds:up:0'],
  'trailing-bytes': ['hart_malformed', 'ds:up:0'],
  'huge-dictionary': ['hart_malformed', 'ds:up:0'],
  'damaged-data': ['hart_malformed', 'ds:up:0'],
  'bad-tar-checksum': ['hart_malformed', 'ds:up:0'],
  'no-tar-end': ['hart_malformed', 'ds:up:0'],
  'no-IDENT': ['hart_malformed', 'ds:up:0'],
  'no-TARGET': ['hart_malformed', 'ds:up:0'],
  'no-MANIFEST': ['hart_malformed', 'ds:up:0'],
  'other-IDENT': ['hart_malformed', 'ds:up:0'],
  'unknown-TARGET': ['target_malformed', 'ds:up:1'],
  'unknown-PACKAGE_TYPE': ['hart_malformed', 'ds:up:0'],
  'partial-DEPS': ['hart_malformed', 'ds:up:0'],
}

test('a flawed package is refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const before = await traces(started.depot)
  for (const [flaw, [code, text]] of Object.entries(FLAWS)) {
    await t.test(flaw, async (s) => {
      const answer = await upload(
        started,
        buildHart({ ident: 'acme/app/1.1.0/20260101120000', flaws: [flaw as Flaw] }),
      )
      s.match(answer, { status: 422, text })
      s.match(lastRefusal(started), new RegExp(`^${code}: `))
      s.same(await traces(started.depot), before)
    })
  }
  t.equal((await upload(started, whole)).status, 201, 'and its ident is free')
})

interface Refused {
  readonly what: string
  readonly hart?: BuiltHart
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly status: number
  readonly code: string
  readonly text?: string
}

const other = buildHart({ ident: 'acme/app/1.0.0/20260101120000', config: 'other = "bytes"' })
const native = buildHart({ ident: 'acme/app/1.2.0/20260101120000', packageType: 'native' })
const windows = buildHart({ ident: 'acme/app/1.1.0/20260101120000', target: 'x86_64-windows' })
const darwin = buildHart({ ident: 'acme/app/1.1.0/20260101120000', target: 'x86_64-darwin' })
const stranger = buildHart({
  ident: 'acme/app/1.1.0/20260101120000',
  keys: makeKeys('acme', '20260202000000'),
})
const REFUSED: readonly Refused[] = [
  {
    what: 'without a checksum',
    query: { checksum: '' },
    status: 422,
    code: 'checksum_missing',
    text: 'ds:up:3',
  },
  {
    what: 'with another checksum',
    query: { checksum: 'f'.repeat(64) },
    status: 422,
    code: 'checksum_mismatch',
    text: 'ds:up:3',
  },
  {
    what: 'with no checksum at all',
    query: { checksum: '../../etc/passwd' },
    status: 422,
    code: 'checksum_mismatch',
    text: 'ds:up:3',
  },
  { what: 'without bytes', body: Buffer.alloc(0), status: 422, code: 'hart_malformed', text: 'ds:up:0' },
  {
    what: 'of something else',
    body: Buffer.from('PK\x03\x04 is a zip file'),
    status: 422,
    code: 'hart_malformed',
    text: 'ds:up:0',
  },
  {
    what: 'of a line without end',
    body: Buffer.alloc(4096, 'a'),
    status: 422,
    code: 'hart_malformed',
    text: 'ds:up:0',
  },
  { what: 'signed with a key the depot does not hold', hart: stranger, status: 422, code: 'signer_unknown' },
  {
    what: 'of another release than the URL names',
    body: other.bytes,
    query: { checksum: other.checksum },
    status: 422,
    code: 'ident_mismatch',
    text: 'ds:up:6',
  },
  {
    what: 'for another target than the URL names',
    hart: windows,
    query: { target: 'x86_64-linux' },
    status: 422,
    code: 'target_mismatch',
    text: 'ds:up:1',
  },
  {
    what: 'for a target that is none',
    query: { target: 'vax-vms' },
    status: 422,
    code: 'target_malformed',
    text: "Invalid package target 'vax-vms'",
  },
  { what: 'for a target this depot does not take', hart: darwin, status: 501, code: 'target_unsupported' },
  {
    what: 'for such a target, which only the archive names',
    hart: darwin,
    query: { target: '' },
    status: 501,
    code: 'target_unsupported',
  },
  { what: 'of an existing release with other bytes', hart: other, status: 409, code: 'already_exists' },
  {
    what: 'of an existing release with other bytes, and no target named',
    hart: other,
    query: { target: '' },
    status: 409,
    code: 'already_exists',
  },
  {
    what: 'of an existing release with other bytes, forced',
    hart: other,
    query: { forced: 'true' },
    status: 422,
    code: 'release_differs',
    text: 'ds:up:4',
  },
  {
    what: 'of another type than the releases before',
    hart: native,
    status: 422,
    code: 'package_type_mismatch',
  },
]

test('a malformed upload is refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const before = await traces(started.depot)
  for (const { what, hart = whole, query = {}, body = hart.bytes, status, code, text = '' } of REFUSED) {
    await t.test(what, async (s) => {
      s.match(await upload(started, hart, { query, body }), { status, text })
      s.match(lastRefusal(started), new RegExp(`^${code}: `))
      s.equal(
        started.logged.find((line) => line['level'] === 'error'),
        undefined,
        'a refusal is no error of the depot',
      )
      s.same(await traces(started.depot), before)
    })
  }
  t.equal((await upload(started, whole)).status, 201, 'and its ident is free')
})

const PERSONAL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  curl: { 'user-agent': 'curl/8.5.0', accept: '*/*' },
  wget: { 'user-agent': 'Wget/1.21.3', accept: '*/*' },
  'Accept: text/plain': { accept: 'text/plain' },
  'Accept: text/plain before JSON': { accept: 'application/json;q=0.5, text/plain' },
}
const OTHERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'the gem of 2016': { 'user-agent': 'Faraday v0.9.2', accept: '*/*' },
  axios: { 'user-agent': 'axios/1.7.0', accept: 'application/json, text/plain, */*' },
  'a browser': {
    'user-agent': 'Mozilla/5.0',
    accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  },
  'a name with curl in it': { 'user-agent': 'libcurl-agent/1.0' },
}

test("curl, and clients that accept it, get the reason of a refused upload, and others get Builder's body", async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  for (const { what, hart = whole, query = {}, body = hart.bytes, status, code, text = '' } of REFUSED) {
    const answerTo = (headers: Readonly<Record<string, string>>) =>
      upload(started, hart, { query, body, headers: { ...bearer(), ...headers } })
    for (const [who, headers] of Object.entries(PERSONAL)) {
      const answer = await answerTo(headers)
      const sentence = lastRefusal(started).slice(`${code}: `.length)
      t.match(
        answer,
        { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, text: `${sentence}\n` },
        `${what}: ${who}`,
      )
      t.ok(sentence.length > 20, sentence)
    }
    const problem = await answerTo({ accept: 'application/problem+json' })
    t.match(
      { ...problem, body: JSON.parse(problem.text) },
      {
        status,
        headers: { 'content-type': 'application/problem+json' },
        body: { status, code, detail: lastRefusal(started).slice(`${code}: `.length) },
      },
      what,
    )
    for (const [who, headers] of Object.entries(OTHERS))
      t.match(await answerTo(headers), { status, text }, `${what}: ${who}`)
    for (const headers of [
      { 'user-agent': 'hab/2.1.78/20260801000000 (x86_64-linux; 6.12.0)', accept: '*/*' },
      { 'user-agent': 'hab/2.1.78', accept: 'text/plain' },
    ]) {
      const { text: told } = await answerTo(headers)
      t.match(JSON.parse(told), { code: Number, msg: lastRefusal(started).slice(`${code}: `.length) }, what)
    }
  }
})

test("curl gets the reason of every error of Habitat's routes", async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const asked: readonly (readonly [
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    status: number,
    text: string | RegExp,
  ])[] = [
    ['GET', '/v1/depot/origins/nowhere', {}, 404, /nowhere/],
    ['POST', '/v1/depot/origins', {}, 401, 'this request needs a token\n'],
    [
      'GET',
      '/v1/depot/views/acceptance/pkgs/acme/app/latest',
      { authorization: 'Bearer wrong' },
      401,
      'the token is unknown or revoked, or its account is disabled\n',
    ],
    [
      'PUT',
      '/v1/depot/channels/acme/stable/pkgs/app/1.0.0/20260101120000/promote',
      bearer(),
      404,
      /acme\/app\/1\.0\.0\/20260101120000/,
    ],
    [
      'POST',
      '/v1/depot/origins/acme/keys/20260202000000',
      { ...bearer(), 'content-length': '0' },
      422,
      /SIG-PUB-1/,
    ],
  ]
  for (const [method, path, headers, status, text] of asked) {
    t.match(
      await ask(started.url + path, { method, headers: { ...headers, ...PERSONAL['curl'] } }),
      { status, text },
      path,
    )
    t.notMatch((await ask(started.url + path, { method, headers })).text, text, `${path} of others`)
  }
})

test('an upload is refused early while too many packages of its account wait for a scan', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const { scanner } = started.depot
  // The content of FILES is read, so its blocks are not skipped.
  const slow = join(t.testdir(), 'slow.tar.xz')
  const entry = buildTar([
    { path: 'hab/pkgs/acme/slow/1/20260101120000/FILES', declaredBytes: 192 * 1024 * 1024 },
  ]).subarray(0, -1024)
  const zeros = readFileSync(new URL('../../fixtures/xz/zeros-64MiB.xz', import.meta.url))
  writeFileSync(slow, joinXz(buildXz(entry), zeros, zeros, zeros))
  // The queue of the first account advances once for each of the others.
  const scans = [2, 3, 4, 5, 6, 1].flatMap((account) =>
    Array.from({ length: 65 }, () => scanner.scan(slow, 0, account)),
  )
  const outcomes = Promise.allSettled(scans)
  await t.rejects(async () => scans.at(-1), { code: 'overloaded' })

  const hart = buildHart()
  const client = converse(started.url)
  await client.say(
    `POST ${uploadPath(hart)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: ${hart.bytes.length}\r\n\r\n`,
  )
  t.match(await client.hear(/\r\n\r\n/), /^HTTP\/1\.1 503 [^]*\r\nretry-after: 10\r\n/i)
  client.socket.destroy()
  t.match(
    lastRefusal(started),
    /^overloaded: 64 packages of this account wait to be checked: try again in 10 seconds$/,
  )
  await scanner.close()
  await outcomes
})

test('a hostile URL is refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const before = await traces(started.depot)
  const long = 'a'.repeat(300)
  const paths = {
    'a NUL in the name': ['acme/a%00pp/1.1.0/20260101120000', 422],
    'a slash in the name': ['acme/a%2Fpp/1.1.0/20260101120000', 422],
    'a way up in the version': ['acme/app/../20260101120000', 422],
    'an encoded way up in the version': ['acme/app/%2E%2E/20260101120000', 422],
    'a way up and a slash in the release': ['acme/app/1.1.0/%2E%2E%2F%2E%2E', 422],
    'a name of 300 characters': [`acme/${long}/1.1.0/20260101120000`, 422],
    'a release of 300 characters': [`acme/app/1.1.0/${long}`, 422],
    'a line break in the version': ['acme/app/1%0D%0AX-Filename:%20x/20260101120000', 422],
    'an origin with capitals': ['Acme/app/1.1.0/20260101120000', 422],
    'half an escape': ['acme/app/1.1.0/%2', 400],
    'an escape of no character': ['acme/app/1.1.0/%ff', 400],
  } as const
  for (const [what, [ident, status]] of Object.entries(paths)) {
    await t.test(what, async (s) => {
      const path = `${started.url}/v1/depot/pkgs/${ident}?checksum=${whole.checksum}&target=${whole.target}`
      s.match(await ask(path, { method: 'POST', headers: bearer(), body: whole.bytes }), { status, text: '' })
      s.match(lastRefusal(started), status === 400 ? /the URL cannot be decoded/ : /^ident_malformed: /)
      s.same(await traces(started.depot), before)
    })
  }
})

test('a package truncated at any byte is refused', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const before = await traces(started.depot)
  const header = 300
  const statuses = new Set<number>()
  for (let length = 0; length < whole.bytes.length; length += length < header ? 1 : 61) {
    const reply = await started.app.inject({
      method: 'POST',
      url: uploadPath(whole),
      headers: bearer(),
      payload: whole.bytes.subarray(0, length),
    })
    statuses.add(reply.statusCode)
  }
  t.same([...statuses], [422])
  t.same(await traces(started.depot), before)
})
