import { createHash } from 'node:crypto'
import tap, { test } from 'tap'
import { formatDepotKey } from '../../../../src/lockfiles/depot-key.ts'
import { readLockfile } from '../../../../src/lockfiles/signed-lockfile.ts'
import { callApi } from '../../../support/call-api.ts'
import { keyOf, makeDependent } from '../../../support/copies/locked-releases.ts'
import { mentions } from '../../../support/mentions.ts'
import { move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const ident = (name: string, version = '1.0.0') => `acme/${name}/${version}/${STAMP}`

/** Brings a depot into the state of a pull before its promotion. */
async function fill(started: TestDepot, salt = '') {
  const lib = await makeDependent(started, ident('lib'), [], { salt })
  const app = await makeDependent(started, ident('app'), [ident('lib')])
  const web = await makeDependent(started, ident('web'), [])
  return { lib, app, web }
}

const source = await startDepot(tap)
const { app: theirs } = await fill(source)
await move(source, 'promote', 'delivered', [theirs])
const lockfile = (await callApi(source, 'GET', '/api/v1/views/delivered/lockfile')).text

async function startTrusting(t: Parameters<typeof startDepot>[0]): Promise<TestDepot> {
  const started = await startDepot(t)
  await callApi(started, 'PUT', '/api/v1/depot/trusted-keys/source', {
    body: formatDepotKey(await keyOf(source)),
  })
  return started
}

const promote = (started: TestDepot, body: object, token?: string) =>
  callApi(started, 'POST', '/api/v1/views/union/promotions', { body, ...(token !== undefined && { token }) })

test('a lockfile is promoted in one revision, without its dependencies, and the history has its digest', async (t) => {
  const started = await startTrusting(t)
  await fill(started)
  t.match(await promote(started, { lockfile, expect_revision: 0, reason: 'as delivered there' }), {
    status: 200,
    differences: '',
    body: { revision: 1, changed: true, pointers: [{ to: ident('app') }] },
  })
  const digest = createHash('sha256').update(lockfile).digest('hex')
  t.match(await callApi(started, 'GET', '/api/v1/views/union/history'), {
    differences: '',
    body: { revisions: [{ revision: 1, joined: { length: 1 }, source: { lockfile: digest } }] },
  })
  t.match(await promote(started, { lockfile }), { status: 200, body: { revision: 1, changed: false } })
})

test('exact demotes releases that a whole lockfile lacks, and needs a whole one', async (t) => {
  const started = await startTrusting(t)
  const { web } = await fill(started)
  await move(started, 'promote', 'union', [web])
  const narrow = (await callApi(source, 'GET', '/api/v1/views/delivered/lockfile?origin=acme')).text
  const outsiders = (await callApi(source, 'GET', '/api/v1/views/delivered/lockfile', { token: null })).text
  for (const text of [narrow, outsiders])
    t.match(await promote(started, { lockfile: text, exact: true }), {
      status: 400,
      differences: '',
      body: { code: 'invalid_request', errors: [{ pointer: '/exact' }] },
    })
  t.match(await promote(started, { lockfile, exact: true }), {
    status: 200,
    differences: '',
    body: { revision: 2 },
  })
  const content = await callApi(started, 'GET', '/api/v1/views/union/content')
  t.match(content.body, { pointers: [{ ident: ident('app') }] })
  t.match(content.body, { pointers: { length: 1 } })
})

test('a lockfile of the depot itself restores a view, even after the key was replaced', async (t) => {
  const started = await startDepot(t)
  const { app, web } = await fill(started)
  await move(started, 'promote', 'union', [app])
  const { text } = await callApi(started, 'GET', '/api/v1/views/union/lockfile')
  await callApi(started, 'POST', '/api/v1/depot/keys')
  await move(started, 'demote', 'union', [app])
  await move(started, 'promote', 'union', [web])
  t.match(await promote(started, { lockfile: text, exact: true }), { status: 200, body: { revision: 4 } })
  t.match((await callApi(started, 'GET', '/api/v1/views/union/content')).body, {
    pointers: [{ ident: ident('app') }],
  })
})

test('a forged, untrusted or malformed lockfile is refused', async (t) => {
  const started = await startTrusting(t)
  await fill(started)
  for (const [text, code, status] of [
    [lockfile.replace(/^revision 1$/m, 'revision 2'), 'signature_invalid', 422],
    [lockfile.slice(0, -20), 'lockfile_malformed', 422],
    ['hart-depot-lock 1\n', 'lockfile_malformed', 422],
    ['', 'lockfile_malformed', 422],
  ] as const) {
    t.match(await promote(started, { lockfile: text }), { status, differences: '', body: { code } }, code)
  }
  await callApi(started, 'DELETE', '/api/v1/depot/trusted-keys/source')
  t.match(await promote(started, { lockfile }), {
    status: 422,
    differences: '',
    body: { code: 'signer_unknown' },
  })
  t.match(await promote(started, { lockfile, releases: [{ ident: ident('app') }] }), {
    status: 400,
    body: { code: 'invalid_request', detail: mentions('releases', 'from', 'lockfile') },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/union'), { body: { revision: 0 } })
})

test('all releases of a lockfile and their dependencies must be present with the same bytes', async (t) => {
  const empty = await startTrusting(t)
  t.match(await promote(empty, { lockfile }), {
    status: 404,
    differences: '',
    body: {
      code: 'not_found',
      errors: { length: 2, 0: { detail: mentions(ident('app'), 'x86_64-linux') } },
    },
  })
  const differing = await startTrusting(t)
  await fill(differing, 'other bytes')
  t.match(await promote(differing, { lockfile }), {
    status: 422,
    differences: '',
    body: {
      code: 'release_differs',
      detail: mentions('acme/lib/', 'x86_64-linux'),
    },
  })
})

test('a lockfile needs the rights of any promotion', async (t) => {
  const started = await startTrusting(t)
  await fill(started)
  const stranger = await started.account('stranger')
  t.match(await promote(started, { lockfile }, stranger), { status: /403|409/, differences: '' })
  t.match(await callApi(started, 'GET', '/api/v1/views/union'), { body: { revision: 0 } })
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'stranger', role: 'maintainer' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await promote(started, { lockfile }, stranger), { status: 200, body: { revision: 1 } })
})

test('large lockfiles are accepted', async (t) => {
  const started = await startTrusting(t)
  const large = lockfile.replace(/(signature)/, `${`${'x'.repeat(1_000)}\n`.repeat(6_000)}$1`)
  t.match(await promote(started, { lockfile: large }), { status: 422, body: { code: 'signature_invalid' } })
  t.match(await promote(started, { lockfile: 'x'.repeat(34 * 1024 * 1024) }), { status: 413 })
  t.throws(() => readLockfile(large, []), { code: 'signer_unknown' })
})
