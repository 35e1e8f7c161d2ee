import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { verifyDepot } from '../../src/audit/verify.ts'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import { callApi } from '../support/call-api.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const [SECOND, HOUR, DAY] = [1_000, 3_600_000, 86_400_000]
const AHEAD = START + 365 * DAY
const [APP, WEB, LATE] = [
  'acme/app/1.0.0/20260101000000',
  'acme/web/1.0.0/20260101000000',
  'acme/late/1.0.0/20260101000000',
]

interface Scene {
  readonly started: TestDepot
  readonly releases: readonly [ReleaseRow, ReleaseRow, ReleaseRow]
  readonly folder: string
  readonly post: (
    path: string,
    body: unknown,
    key?: string,
  ) => Promise<{ status: number; body?: Record<string, unknown> | undefined }>
}

/**
 * Starts a depot with releases and a view in which they must soak for an hour before they may join another
 * view.
 */
async function makeScene(t: Test): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const started = await startDepot(t, { folder })
  const releases = (await makeReleases(started, APP, WEB, LATE)) as [ReleaseRow, ReleaseRow, ReleaseRow]
  for (const view of ['soaking', 'soaked']) await makeView(started, view, 'promoted')
  await callApi(started, 'PUT', '/api/v1/views/soaked/gates', {
    body: { requires: [{ view: 'soaking', soak_seconds: 3_600 }] },
  })
  return { started, releases, folder, post: poster(started) }
}

function poster(started: TestDepot): Scene['post'] {
  return (path, body, key) =>
    callApi(started, 'POST', `/api/v1/${path}`, {
      body,
      ...(key !== undefined && { headers: { 'idempotency-key': key } }),
    })
}

test('soak times follow the corrected clock, also after a restart', async (t) => {
  const { started, releases, folder, post } = await makeScene(t)
  const [app, web, late] = releases
  started.setClock(AHEAD)
  await move(started, 'promote', 'soaking', [app])
  started.setClock(START)
  t.match(await post('views/soaked/promotions', { releases: [app] }), { status: 409 })
  started.setClock(START + 30 * 60 * SECOND)
  await move(started, 'promote', 'soaking', [web])
  await started.close()

  const again = await startDepot(t, { folder })
  const promote = (release: ReleaseRow) => poster(again)('views/soaked/promotions', { releases: [release] })
  again.setClock(START + HOUR - 5 * SECOND)
  t.match(
    await promote(app),
    {
      status: 409,
      body: { detail: /2026-01-01T00:00:00.*2026-01-01T01:00:00/ },
    },
    'it is there from when the clock was seen to be corrected',
  )
  again.setClock(START + HOUR + 5 * SECOND)
  t.match(await promote(app), { status: 200 })
  t.match(await promote(web), { status: 409 })
  again.setClock(START + HOUR + 31 * 60 * SECOND)
  t.match(await promote(web), { status: 200 })

  again.setClock(AHEAD + DAY)
  await move(again, 'promote', 'soaking', [late])
  t.match(await promote(late), { status: 409 }, 'no soak time is made when the clock has caught up')
  const rows = await again.depot.db.selectFrom('ledger').select(['at', 'clock']).orderBy('sequence').execute()
  t.strictSame(
    rows.map(({ at }) => at),
    rows.map(({ at }) => at).toSorted((a, b) => a - b),
    'order stays',
  )
  t.equal(rows.filter(({ clock }) => clock !== null).length, 3)
  t.equal(rows.at(-1)?.clock, null)
  await again.close()
  const snapshot = await new SqliteEngine(join(folder, 'depot.sqlite')).openSnapshot()
  t.match(await verifyDepot(snapshot.reader), { findingCount: 0 })
  await snapshot.close()
})

test('a release that became latest while the clock ran ahead also soaks by the corrected clock', async (t) => {
  const {
    started,
    releases: [app],
    post,
  } = await makeScene(t)
  await callApi(started, 'PUT', '/api/v1/views/soaked/gates', {
    body: { requires: [{ view: 'soaking', as: 'current', soak_seconds: 3_600 }] },
  })
  started.setClock(AHEAD)
  await move(started, 'promote', 'soaking', [app])
  started.setClock(START)
  t.match(await post('views/soaked/promotions', { releases: [app] }), { status: 409 })
  started.setClock(START + HOUR + 5 * SECOND)
  t.match(await post('views/soaked/promotions', { releases: [app] }), { status: 200 })
})

test('a clock that is behind for a while does not age earlier releases', async (t) => {
  const {
    started,
    releases: [app],
    post,
  } = await makeScene(t)
  started.setClock(START + DAY)
  await move(started, 'promote', 'soaking', [app])
  started.setClock(0)
  t.match(await post('views/soaked/promotions', { releases: [app] }), { status: 409 })
  started.setClock(START + DAY + 60 * SECOND)
  t.match(await post('views/soaked/promotions', { releases: [app] }), { status: 409 })
})

test('plans, proposals, freezes and idempotency keys expire by the corrected clock', async (t) => {
  const {
    started,
    releases: [app, web],
    post,
  } = await makeScene(t)
  await callApi(started, 'PUT', '/api/v1/views/union/gates', {
    body: { approval: { expires_seconds: 3_600 } },
  })
  const plan = async (kind: 'plans' | 'proposals', view: string) =>
    String((await post(`views/${view}/${kind}`, { releases: [app] })).body?.['plan'])
  const stateOf = async (token: string) =>
    (await callApi(started, 'GET', `/api/v1/plans/${token}`)).body?.['state']
  const openIn = async (view: string) =>
    (await callApi(started, 'GET', `/api/v1/views/${view}/proposals`)).body?.['proposals']
  started.setClock(AHEAD)
  const [draftAhead, proposalAhead] = [await plan('plans', 'delivered'), await plan('proposals', 'union')]
  await post('views/delivered/promotions', { releases: [web] }, 'made-ahead')
  started.setClock(START)
  const [draft, proposal] = [await plan('plans', 'delivered'), await plan('proposals', 'union')]
  await post('views/delivered/demotions', { releases: [web] }, 'made-after')
  for (const token of [draftAhead, draft, proposalAhead, proposal]) t.equal(await stateOf(token), 'open')
  t.match(await openIn('union'), { length: 2 })

  const until = new Date(START + 60 * SECOND).toISOString()
  t.match(
    await callApi(started, 'PUT', '/api/v1/views/rehearsal/freeze', { body: { reason: 'a minute', until } }),
    { status: 200 },
    'a minute from now is not past',
  )
  t.match(await post('views/rehearsal/promotions', { releases: [app] }), { status: 409 })
  started.setClock(START + 61 * SECOND)
  t.match(await post('views/rehearsal/promotions', { releases: [app] }), { status: 200 })

  started.setClock(START + HOUR + 5 * SECOND)
  for (const token of [draftAhead, draft, proposalAhead, proposal]) t.equal(await stateOf(token), 'expired')
  t.match(await openIn('union'), { length: 0 })
  t.match(await post(`plans/${draftAhead}/apply`, {}), {
    status: 409,
    body: { detail: /2026-01-01T01:00/ },
  })
  const lasting = await plan('plans', 'delivered')
  const tokens = await started.depot.db
    .selectFrom('plans')
    .select('token')
    .where('kind', '=', 'draft')
    .execute()
  t.strictSame(tokens, [{ token: lasting }], 'drafts that have expired are forgotten')

  const kept = async () =>
    (await started.depot.db.selectFrom('idempotency_keys').select('key').orderBy('key').execute()).map(
      ({ key }) => key,
    )
  started.setClock(START + 6 * DAY)
  await post('views/delivered/promotions', { releases: [web] }, 'next')
  t.strictSame(await kept(), ['made-after', 'made-ahead', 'next'])
  started.setClock(START + 8 * DAY)
  await post('views/delivered/promotions', { releases: [web] }, 'last')
  t.strictSame(await kept(), ['last', 'next'])
})

test('the log reports once that commit times are ahead of the clock, and a metric by how much', async (t) => {
  const { started, post } = await makeScene(t)
  const metric = async () =>
    Number(
      /^hart_depot_commit_time_ahead_seconds (\S+)$/m.exec(
        (await started.app.inject({ url: '/metrics' })).body,
      )?.[1],
    )
  const told = () =>
    started.logged
      .filter(({ msg }) => /commit times/.test(String(msg)))
      .map(({ level, ahead_s }) => [level, ahead_s])
  t.equal(await metric(), 0)
  started.setClock(START + 30 * SECOND)
  await makeView(started, 'one', 'promoted')
  started.setClock(START)
  await makeView(started, 'two', 'promoted')
  t.strictSame(told(), [], 'less than a minute is nothing')
  started.setClock(START + HOUR)
  await makeView(started, 'three', 'promoted')
  started.setClock(START)
  for (const name of ['four', 'five']) await post('views', { name })
  t.strictSame(told(), [['warn', 3_600]])
  t.ok(Math.abs((await metric()) - 3_600) < 1)
  started.setClock(START + 2 * HOUR)
  await post('views', { name: 'six' })
  t.strictSame(told(), [
    ['warn', 3_600],
    ['info', undefined],
  ])
  t.equal(await metric(), 0)
})
