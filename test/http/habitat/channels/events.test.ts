import tap, { test } from 'tap'
import type { Actor } from '../../../../src/access/access.ts'
import { generateToken, hashToken } from '../../../../src/accounts/token.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// habitat-today.md 3.4 and 6 (Events). Each test's promotions are on a day of their own.

const STAMP = '20260101120000'
const ACTOR = { client: 'tests', door: 'cli' } as const
const started = await startDepot(tap)
const [one, two, secret, gone] = await makeReleases(
  started,
  `acme/app/1.0.0/${STAMP}`,
  `acme/app/2.0.0/${STAMP}`,
  `acme/secret/1.0.0/${STAMP}`,
  `acme/gone/1.0.0/${STAMP}`,
)
const tokens = { member: await started.account('member'), stranger: await started.account('stranger') }
await started.depot.writer.submit({
  kind: 'setMember',
  input: { origin: 'acme', account: 'member', role: 'readonly_member' },
  actor: ACTOR,
})

const day = (date: string, time = '12:00') => started.setClock(Date.parse(`${date}T${time}:00Z`))
const act = async (kind: 'promote' | 'demote', view: string, release: typeof one, actor: Actor = ACTOR) =>
  started.depot.writer.submit({ kind, input: { view, releases: release ? [release] : [] }, actor })

interface Page {
  readonly total_count: number
  readonly data: { operation: string; channel: string; package_ident: { name: string; version: string } }[]
}

async function events(query: string, headers: Record<string, string> = {}) {
  const {
    statusCode,
    body,
    headers: given,
  } = await started.app.inject({ url: `/v1/depot/events?${query}`, headers })
  const page = body === '' ? undefined : (JSON.parse(body) as Page)
  return {
    status: statusCode,
    headers: given,
    page,
    told: page?.data.map(
      (event) =>
        `${event.operation} ${event.package_ident.name}/${event.package_ident.version} ${event.channel}`,
    ),
  }
}

test('events are promotions and demotions of one release that changed something, newest first', async (t) => {
  day('2026-02-01')
  await act('promote', 'stable', one)
  await act('promote', 'stable', one)
  await act('promote', 'acceptance', two)
  await act('demote', 'stable', one)
  await move(
    started,
    'promote',
    'union',
    [one, two].flatMap((release) => release ?? []),
  )
  const { status, page, told, headers } = await events('from_date=2026-02-01&to_date=2026-02-01')
  t.equal(status, 200)
  t.equal(headers['cache-control'], 'private, no-cache, no-store')
  t.strictSame(told, ['Demote app/1.0.0 stable', 'Promote app/2.0.0 acceptance', 'Promote app/1.0.0 stable'])
  t.match(page, { range_start: 0, range_end: 2, total_count: 3 })
  t.match(page?.data[0], {
    operation: 'Demote',
    created_at: /^2026-02-01T12:00:00\.\d{6}$/,
    origin: 'acme',
    channel: 'stable',
    package_ident: { origin: 'acme', name: 'app', version: '1.0.0', release: STAMP },
  })
  t.strictSame(Object.keys(page?.data[0] ?? {}).toSorted(), [
    'channel',
    'created_at',
    'operation',
    'origin',
    'package_ident',
  ])
  t.strictSame((await events('from_date=2026-02-01&to_date=2026-02-01&channel=stable')).told, [
    'Demote app/1.0.0 stable',
    'Promote app/1.0.0 stable',
  ])
  t.strictSame((await events('from_date=2026-02-01&to_date=2026-02-01&channel=stab')).told, [])
  t.equal((await events('from_date=2026-02-01&to_date=2026-02-01&query=acme/ap')).page?.total_count, 3)
  t.equal((await events('from_date=2026-02-01&to_date=2026-02-01&query=web')).page?.total_count, 0)
  t.equal((await events('from_date=2026-02-01&to_date=2026-02-01&query=-')).page?.total_count, 0)
  const words = Array.from({ length: 2_000 }, (_, n) => n).join('-')
  t.match(await events(`from_date=2026-02-01&to_date=2026-02-01&query=${words}`), { status: 200, told: [] })
})

const counted = async (from: string, to: string) =>
  (await events(`from_date=${from}&to_date=${to}`)).page?.total_count

test('both days are included and must be valid', async (t) => {
  const moments = [
    ['promote', '2026-08-01', '23:59'],
    ['demote', '2026-08-02', '00:00'],
    ['promote', '2026-08-03', '23:59'],
    ['demote', '2026-08-04', '00:00'],
  ] as const
  for (const [kind, date, time] of moments) {
    day(date, time)
    await act(kind, 'base', one)
  }
  t.equal(await counted('2026-8-2', '2026-08-3'), 2)
  t.equal(await counted('2026-08-01', '2026-08-01'), 1)
  t.equal(await counted('2026-08-03', '2026-08-02'), 0)
  for (const query of [
    '',
    'from_date=2026-01-01',
    'to_date=2026-01-01',
    'from_date=2026-02-30&to_date=2026-03-01',
    'from_date=yesterday&to_date=2026-03-01',
    'from_date=2026-01-01&to_date=2026-13-01',
    'from_date=2026-01-01&to_date=2026-01-02&range=x',
  ]) {
    t.match(await events(query), { status: 400, page: undefined }, query)
  }
})

const told = async (headers: Record<string, string>) =>
  (await events('from_date=2026-10-01&to_date=2026-10-01', headers)).told

test('an event is visible to callers who can see a release of its ident, and always to its author', async (t) => {
  day('2026-10-01')
  await act('promote', 'base', secret)
  const setRole = async (role: 'maintainer' | null) =>
    started.depot.writer.submit({
      kind: 'setMember',
      input: { origin: 'acme', account: 'stranger', role },
      actor: ACTOR,
    })
  await setRole('maintainer')
  await act('promote', 'base', gone, await started.actor('stranger'))
  await setRole(null)
  const narrowed = generateToken()
  await started.depot.writer.submit({
    kind: 'issueToken',
    input: {
      account: 'stranger',
      hash: hashToken(narrowed),
      label: 'narrowed',
      scope: { origins: ['other'] },
    },
    actor: ACTOR,
  })
  const both = ['Promote gone/1.0.0 base', 'Promote secret/1.0.0 base']
  t.strictSame(await told({}), both)
  await setVisibility(started, `acme/secret/1.0.0/${STAMP}`, 'private')
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: `acme/gone/1.0.0/${STAMP}`, target: 'x86_64-linux' },
    actor: ACTOR,
  })
  t.strictSame(await told({}), [])
  t.strictSame(await told(bearer(tokens.member)), both.slice(1))
  t.strictSame(await told(bearer(tokens.stranger)), both.slice(0, 1))
  t.strictSame(await told(bearer(narrowed)), [], 'but not with a token for another origin')
  t.strictSame(await told(bearer()), both.slice(1), 'an administrator sees existing releases')
  await makeReleases(started, `acme/gone/1.0.0/${STAMP} for x86_64-windows`)
  t.strictSame(await told({}), both.slice(0, 1), 'whatever the target of its ident')
})

test('routes of the hosted Builder are absent', async (t) => {
  t.match(
    await started.app.inject({ url: '/v1/depot/events/saas?from_date=2026-01-01&to_date=2026-01-01' }),
    { statusCode: 404, body: '' },
  )
})
