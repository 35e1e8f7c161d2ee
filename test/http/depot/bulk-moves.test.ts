import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../../src/access/access.ts'
import { listRevisions } from '../../../src/revisions/history-store.ts'
import { findView, getView } from '../../../src/revisions/view-store.ts'
import { bearer } from '../../support/origin.ts'
import { makeReleases, move, setVisibility } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'

// habitat-today.md 1.7, 3.2 and 6 (Channels).

const STAMP = '20260101120000'

async function moveAll(
  { app }: TestDepot,
  act: 'promote' | 'demote',
  source: string,
  query: string,
  headers: Record<string, string> = bearer(),
) {
  const {
    statusCode,
    body,
    headers: given,
  } = await app.inject({
    method: 'PUT',
    url: `/v1/depot/channels/acme/${source}/pkgs/${act}${query}`,
    headers,
  })
  return { status: statusCode, body, headers: given }
}

async function namesIn({ app }: TestDepot, channel: string, origin = 'acme'): Promise<string[]> {
  const { body } = await app.inject({
    url: `/v1/depot/channels/${origin}/${channel}/pkgs`,
    headers: bearer(),
  })
  return (JSON.parse(body) as { data: { name: string; version: string }[] }).data.map(
    ({ name, version }) => `${name}/${version}`,
  )
}

async function revisions({ depot }: TestDepot, view: string) {
  return listRevisions(
    depot.db,
    await getView(depot.db, view),
    { before: 99, limit: 99 },
    UNRESTRICTED_AUDIENCE,
  )
}

test('a bulk move takes a whole origin, for every target, private releases included, in one revision', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    `acme/app/1.0.0/${STAMP}`,
    `acme/app/1.0.0/${STAMP} for x86_64-windows`,
    `acme/web/1.0.0/${STAMP}`,
    `other/app/1.0.0/${STAMP}`,
  )
  await setVisibility(started, `acme/web/1.0.0/${STAMP}`, 'private')
  await move(started, 'promote', 'acceptance', releases)
  t.match(await moveAll(started, 'promote', 'acceptance', '?channel=canary'), {
    status: 200,
    body: '',
    headers: { 'depot-view': 'canary', 'depot-revision': 1, 'depot-changed': 'true' },
  })
  t.strictSame(await namesIn(started, 'canary'), ['app/1.0.0', 'web/1.0.0'])
  t.strictSame(await namesIn(started, 'canary', 'other'), [])
  t.match(await revisions(started, 'canary'), [
    { revision: 1, act: 'promote', cause: 'bulk', joined: { length: 3 } },
  ])
  t.match(
    await moveAll(started, 'promote', 'acceptance', '?channel=canary'),
    { status: 200, body: '', headers: { 'depot-revision': 1, 'depot-changed': 'false' } },
    'nothing is left to do',
  )

  t.match(await moveAll(started, 'demote', 'canary', '?channel=acceptance'), {
    status: 200,
    body: '',
    headers: { 'depot-changed': 'true' },
  })
  t.strictSame(await namesIn(started, 'acceptance'), [])
  t.strictSame(await namesIn(started, 'acceptance', 'other'), ['app/1.0.0'], 'releases of other origins stay')
  t.strictSame(await namesIn(started, 'canary'), ['app/1.0.0', 'web/1.0.0'], 'and so does the source')
})

test('latest of the source becomes latest of the target', async (t) => {
  const started = await startDepot(t)
  const [one, two] = await makeReleases(started, `acme/app/1.0.0/${STAMP}`, `acme/app/2.0.0/${STAMP}`)
  for (const release of [two, one]) await move(started, 'promote', 'acceptance', release ? [release] : [])
  await moveAll(started, 'promote', 'acceptance', '?channel=delivered')
  await moveAll(started, 'promote', 'unstable', '?channel=rehearsal')
  const latest = async (view: string) =>
    (
      JSON.parse(
        (await started.app.inject({ url: `/v1/depot/channels/acme/${view}/pkgs/app/latest` })).body,
      ) as { ident: { version: string } }
    ).ident.version
  t.equal(await latest('delivered'), '1.0.0', 'the last one promoted')
  t.equal(await latest('rehearsal'), '2.0.0', 'the highest')
})

test('errors come in order: rights, impossible moves, then others', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  const stranger = bearer(await started.account('stranger'))
  for (const act of ['promote', 'demote'] as const) {
    for (const query of ['', '?channel=', '?channel=acceptance', '?channel=unstable', '?channel=canary']) {
      for (const headers of [{}, stranger])
        t.match(
          await moveAll(started, act, 'acceptance', query, headers),
          { status: 401, body: '' },
          `${act} ${query}`,
        )
    }
    for (const query of [
      '',
      '?channel=',
      '?channel=acceptance',
      '?channel=unstable',
      '?channel=not%20a%20name',
    ]) {
      t.match(await moveAll(started, act, 'acceptance', query), { status: 400, body: '' }, `${act} ${query}`)
    }
  }
  t.match(await moveAll(started, 'demote', 'unstable', '?channel=stable'), { status: 400, body: '' })
  t.match(await moveAll(started, 'promote', 'unstable', '?channel=stable'), { status: 200, body: '' })
  t.equal(
    (
      await started.app.inject({
        method: 'PUT',
        url: '/v1/depot/channels/nobody/stable/pkgs/promote?channel=base',
        headers: bearer(),
      })
    ).statusCode,
    404,
  )
})

test('an absent source counts as empty, and the target is created', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  t.match(await moveAll(started, 'promote', 'nothing', '?channel=canary'), { status: 200, body: '' })
  t.match(JSON.parse((await started.app.inject({ url: '/v1/depot/channels/acme' })).body), [
    { name: 'canary' },
    { name: 'stable' },
    { name: 'unstable' },
  ])
  t.match(await moveAll(started, 'demote', 'nothing', '?channel=fresh'), { status: 200, body: '' })
  t.match(await findView(started.depot.db, 'fresh'), { revision: 0, maker: 'client' })
})

test('a bulk move is not a Habitat event', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  await moveAll(started, 'promote', 'unstable', '?channel=canary')
  await moveAll(started, 'demote', 'canary', '?channel=canary')
  const { body } = await started.app.inject({
    url: '/v1/depot/events?from_date=2026-01-01&to_date=2026-12-31',
  })
  t.match(JSON.parse(body), { total_count: 0 })
})
