import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../../../src/access/access.ts'
import { expectSameReleases, readContent } from '../../../../src/lockfiles/lockfile-store.ts'
import { readLockfile } from '../../../../src/lockfiles/signed-lockfile.ts'
import type { SignedLockfile } from '../../../../src/lockfiles/signed-lockfile.ts'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { getView } from '../../../../src/revisions/view-store.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { mentions } from '../../../support/mentions.ts'
import { callApi } from '../../../support/call-api.ts'
import { fillView, keyOf, makeDependent } from '../../../support/copies/locked-releases.ts'
import { makeOrigin } from '../../../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const ident = (name: string, version = '1.0.0') => `acme/${name}/${version}/${STAMP}`

async function lockfileOf(started: TestDepot, url: string, token?: string | null): Promise<SignedLockfile> {
  const { status, text, differences } = await callApi(
    started,
    'GET',
    `/api/v1/views/${url}`,
    token === undefined ? {} : { token },
  )
  if (status !== 200 || differences !== '') throw new Error(`${status} ${text} ${differences}`)
  return readLockfile(text, [await keyOf(started)])
}

const namesIn = ({ releases }: SignedLockfile) =>
  releases.map(
    (release) =>
      `${release.ident}${release.isDependency ? ' dependency' : ''}${release.isPrivate ? ' private' : ''}`,
  )

test('a lockfile has every latest, their dependencies for the same target, and the keys that signed them', async (t) => {
  const started = await startDepot(t, { environment: { DEPOT_PUBLIC_URL: 'https://depot.example/' } })
  await makeOrigin(started)
  const lib = await makeDependent(started, ident('lib'), [])
  await makeDependent(started, ident('lib'), [], { target: 'x86_64-windows' })
  const app = await makeDependent(started, ident('app'), [ident('lib'), 'core/glibc/2.27/1'])
  const newer = await makeDependent(started, ident('app', '2.0.0'), [ident('lib')])
  const web = await makeDependent(started, ident('web'), [ident('app'), ident('lib')])
  await move(started, 'promote', 'acceptance', [app, web])
  await move(started, 'promote', 'acceptance', [newer])

  const { text, headers } = await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile')
  t.equal(headers['content-type'], 'text/plain; charset=utf-8')
  const lockfile = readLockfile(text, [await keyOf(started)])
  t.strictSame(namesIn(lockfile), [
    ident('app', '2.0.0'),
    ident('web'),
    `${ident('app')} dependency`,
    `${ident('lib')} dependency`,
  ])
  t.match(lockfile, {
    depot: 'https://depot.example',
    view: 'acceptance',
    revision: 2,
    filter: {},
    audience: 'everyone',
    skipped: 0,
    absent: 0,
    originKeys: [{ name: 'acme-20260101000000', text: formatPublicKey(makeKeys('acme').publicKey) }],
    releases: [
      { checksum: newer.checksum, sizeBytes: 7 },
      { checksum: web.checksum },
      { checksum: app.checksum },
      { checksum: lib.checksum },
    ],
  })
  const entry = await started.depot.db
    .selectFrom('ledger')
    .selectAll()
    .where('revision', '=', 2)
    .where('kind', '=', 'promotion')
    .where('view_id', '=', (eb) => eb.selectFrom('views').select('id').where('name', '=', 'acceptance'))
    .executeTakeFirstOrThrow()
  t.match(lockfile, { at: entry.at, ledger: { sequence: entry.sequence, hash: entry.hash } })

  const first = await lockfileOf(started, 'acceptance/lockfile?at=1')
  t.match(first, { revision: 1, absent: 1 })
  t.strictSame(namesIn(first), [ident('app'), ident('web'), `${ident('lib')} dependency`])
})

test('the same revision gives the same bytes and entity tag', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(started, ident('app'), ident('lib'))
  await move(started, 'promote', 'acceptance', releases)
  const first = await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile')
  await move(started, 'demote', 'acceptance', releases.slice(0, 1))
  const again = await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile?at=1')
  t.equal(again.text, first.text)
  const known = { 'if-none-match': String(first.headers['etag']) }
  t.match(await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile?at=1', { headers: known }), {
    status: 304,
    text: '',
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile', { headers: known }), {
    status: 200,
    text: /^revision 2$/m,
  })
  t.match(
    await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile', {
      headers: { accept: 'application/json' },
    }),
    { status: 200, headers: { 'content-type': /^text\/plain/ } },
  )
})

test('a lockfile can be restricted and records that, and a view without revisions has an empty one', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    ident('app'),
    `${ident('app')} for aarch64-linux`,
    ident('lib'),
    `umbrella/app/1.0.0/${STAMP}`,
  )
  await move(started, 'promote', 'acceptance', releases)
  t.strictSame(namesIn(await lockfileOf(started, 'acceptance/lockfile?origin=umbrella')), [
    `umbrella/app/1.0.0/${STAMP}`,
  ])
  const narrow = await lockfileOf(started, 'acceptance/lockfile?name=app&origin=acme&target=aarch64-linux')
  t.match(narrow, {
    filter: { origin: 'acme', name: 'app', target: 'aarch64-linux' },
    releases: [{ target: 'aarch64-linux' }],
  })
  t.equal(narrow.releases.length, 1)
  t.match(await lockfileOf(started, 'union/lockfile'), {
    revision: 0,
    ledger: { sequence: 0, hash: '0'.repeat(64) },
    releases: [],
  })
})

test('a lockfile for a caller with fewer rights has no trace of private releases and records its audience', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const secret = await makeDependent(started, ident('secret'), [])
  const app = await makeDependent(started, ident('app'), [ident('secret')])
  await setVisibility(started, ident('secret'), 'private')
  const friend = await started.account('friend')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'friend', role: 'readonly_member' },
    actor: { client: 'tests', door: 'cli' },
  })
  await makeView(started, 'train', 'highest')
  for (const view of ['acceptance', 'train']) await move(started, 'promote', view, [app, secret])
  await move(started, 'promote', 'union', [app])
  for (const view of ['acceptance', 'train']) {
    t.match(await lockfileOf(started, `${view}/lockfile`, null), {
      audience: 'public',
      absent: 1,
      releases: { length: 1 },
    })
    t.strictSame(namesIn(await lockfileOf(started, `${view}/lockfile`, friend)), [
      ident('app'),
      `${ident('secret')} private`,
    ])
    t.match(await lockfileOf(started, `${view}/lockfile`, friend), { audience: 'members', absent: 0 })
  }
  t.strictSame(namesIn(await lockfileOf(started, 'union/lockfile', null)), [ident('app')])
  t.strictSame(namesIn(await lockfileOf(started, 'union/lockfile')), [
    ident('app'),
    `${ident('secret')} dependency private`,
  ])
})

test('a past with deleted releases is refused with their names, unless they are skipped', async (t) => {
  const started = await startDepot(t)
  const [app, lib] = await makeReleases(started, ident('app'), ident('lib'))
  if (app === undefined || lib === undefined) throw new Error('there are no releases')
  await move(started, 'promote', 'acceptance', [app, lib])
  await move(started, 'demote', 'acceptance', [app])
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: app,
    actor: { client: 'tests', door: 'cli' },
  })
  const refused = await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile?at=1')
  t.match(refused, {
    status: 409,
    differences: '',
    body: {
      code: 'conflict',
      detail: mentions('acceptance', 'revision 1', 'acme/app/', 'x86_64-linux', 'skip_deleted'),
      errors: [{ detail: /acme\/app/ }],
    },
  })
  const skipped = await lockfileOf(started, 'acceptance/lockfile?at=1&skip_deleted=true')
  t.match(skipped, { skipped: 1 })
  t.strictSame(namesIn(skipped), [ident('lib')])

  await makeDependent(started, ident('app'), [], { salt: 'other bytes' })
  t.match(
    await callApi(started, 'GET', '/api/v1/views/acceptance/lockfile?at=1'),
    { status: 409 },
    'a release that took its name is another',
  )
})

test('a closed view can be locked at a past revision', async (t) => {
  const started = await startDepot(t)
  const actor = { client: 'tests', door: 'cli' } as const
  const releases = await makeReleases(started, ident('app'))
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'gone', ownerId: 1 },
    actor,
  })
  await move(started, 'promote', 'gone', releases)
  await started.depot.writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: 'gone' }, actor })
  t.strictSame(namesIn(await lockfileOf(started, 'gone/lockfile?at=1')), [ident('app')])
  t.match(await lockfileOf(started, 'gone/lockfile'), { revision: 2, releases: [] })
})

test('concurrent requests for lockfiles do not block each other, and refused ones neither', async (t) => {
  const started = await startDepot(t)
  const [app, lib] = await makeReleases(started, ident('app'), ident('lib'))
  if (app === undefined || lib === undefined) throw new Error('there are no releases')
  await move(started, 'promote', 'acceptance', [app, lib])
  await move(started, 'demote', 'acceptance', [app])
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: app,
    actor: { client: 'tests', door: 'cli' },
  })
  const asked = Array.from({ length: 9 }, (_, index) =>
    callApi(started, 'GET', `/api/v1/views/acceptance/lockfile?at=${index % 3}`),
  )
  t.strictSame(
    (await Promise.all(asked)).map(({ status }) => status),
    [200, 409, 200, 200, 409, 200, 200, 409, 200],
  )
})

test('malformed requests are refused by name', async (t) => {
  const started = await startDepot(t)
  for (const [url, status] of [
    ['nowhere/lockfile', 404],
    ['acceptance/lockfile?at=7', 404],
    ['acceptance/lockfile?at=soon', 400],
    ['acceptance/lockfile?origin=a%20b', 400],
    ['acceptance/lockfile?name=..%2Fx', 400],
    ['acceptance/lockfile?target=vax', 400],
    ['acceptance/lockfile?skip_deleted=perhaps', 400],
    ['acceptance/lockfile?colour=red', 400],
  ] as const) {
    t.match(await callApi(started, 'GET', `/api/v1/views/${url}`), { status, differences: '' }, url)
  }
})

test('missing and differing releases of a lockfile are named', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const app = await makeDependent(started, ident('app'), [])
  const lib = await makeDependent(started, ident('lib'), [])
  const locked = [app, lib].map((release) => ({
    ...release,
    sizeBytes: 7,
    isDependency: false,
    isPrivate: false,
  }))
  const [first, second] = locked
  if (first === undefined || second === undefined) throw new Error('there are no releases')
  await expectSameReleases(started.depot.db, locked, UNRESTRICTED_AUDIENCE)
  await t.rejects(
    expectSameReleases(
      started.depot.db,
      [first, { ...second, checksum: 'ab'.repeat(32) }],
      UNRESTRICTED_AUDIENCE,
    ),
    {
      code: 'release_differs',
      message:
        /^acme\/lib\/\S+ for x86_64-linux has other bytes here: its checksum is [0-9a-f]{64} here and (ab){32} in the lockfile$/,
    },
  )
  await t.rejects(
    expectSameReleases(
      started.depot.db,
      [
        { ...first, target: 'aarch64-linux' },
        { ...second, ident: ident('none') },
      ],
      UNRESTRICTED_AUDIENCE,
    ),
    {
      code: 'not_found',
      message: /^there is no release acme\/app\/\S+ for aarch64-linux, and 1 more$/,
      parts: { length: 2 },
    },
  )
  await setVisibility(started, ident('lib'), 'private')
  await t.rejects(
    expectSameReleases(started.depot.db, [{ ...second, checksum: 'ab'.repeat(32) }], PUBLIC_AUDIENCE),
    { code: 'not_found' },
    'checksums of invisible releases are left out',
  )
})

test('hundreds of pointers and dependencies are read in pieces, so that others are not blocked', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  await fillView(started, 'acceptance', { pointers: 600, dependencies: 3_000 })
  const view = await getView(started.depot.db, 'acceptance')
  let turns = 0
  const timer = setInterval(() => (turns += 1), 0)
  const locked = await readContent(
    started.depot.db,
    { view, revision: 1, filter: {}, skipsDeleted: false },
    PUBLIC_AUDIENCE,
  )
  clearInterval(timer)
  t.equal(locked.releases.length, 3_600)
  t.equal(locked.absent, 0)
  t.ok(turns >= 3, `others had ${turns} turns`)
})
