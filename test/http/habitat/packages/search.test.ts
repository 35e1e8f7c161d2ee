import tap, { test } from 'tap'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// habitat-today.md 1.8, 3.1, 3.9 and 6 (Search).

const STAMP = '20260101120000'
const started = await startDepot(tap)
await makeReleases(
  started,
  ...[
    'core/redis/4.0.0',
    'core/redis/10.0.0',
    'core/redis-tools/1.0.0',
    'core/rust/1.0.0',
    'acme/redis/1.0.0',
    'acme/secret-redis/1.0.0',
    'acme/My_App/1.0.0',
    'hart-core/app/1.0.0',
  ].map((ident) => `${ident}/${STAMP}`),
  `core/redis/4.0.0/${STAMP} for x86_64-windows`,
)
await setVisibility(started, `acme/secret-redis/1.0.0/${STAMP}`, 'private')
const tokens = new Map<string, string>()
for (const role of ['readonly_member', 'stranger'] as const) tokens.set(role, await started.account(role))
await started.depot.writer.submit({
  kind: 'setMember',
  input: { origin: 'acme', account: 'readonly_member', role: 'readonly_member' },
  actor: { client: 'tests', door: 'cli' },
})

interface Found {
  readonly range_start: number
  readonly range_end: number
  readonly total_count: number
  readonly data: { origin: string; name: string; version: string | null; release: string | null }[]
}

async function search(words: string, query = '', headers: Record<string, string> = {}) {
  const {
    statusCode,
    headers: given,
    body,
  } = await started.app.inject({ url: `/v1/depot/pkgs/search/${words}${query}`, headers })
  const found = body === '' ? undefined : (JSON.parse(body) as Found)
  return {
    status: statusCode,
    headers: given,
    found,
    names: found?.data.map((item) =>
      [item.origin, item.name, item.version].filter((part) => part !== null).join('/'),
    ),
  }
}

test('search matches every word, and the last one as a prefix; results are ordered by ident', async (t) => {
  const questions: Record<string, string[]> = {
    redis: ['acme/redis/1.0.0', 'core/redis-tools/1.0.0', 'core/redis/10.0.0', 'core/redis/4.0.0'],
    'core%2Fredis': ['core/redis-tools/1.0.0', 'core/redis/10.0.0', 'core/redis/4.0.0'],
    'core%2Fredis%2F': ['core/redis-tools/1.0.0', 'core/redis/10.0.0', 'core/redis/4.0.0'],
    'redis%2Fcore': ['core/redis-tools/1.0.0', 'core/redis/10.0.0', 'core/redis/4.0.0'],
    r: [
      'acme/redis/1.0.0',
      'core/redis-tools/1.0.0',
      'core/redis/10.0.0',
      'core/redis/4.0.0',
      'core/rust/1.0.0',
    ],
    'CORE%2FRed': ['core/redis-tools/1.0.0', 'core/redis/10.0.0', 'core/redis/4.0.0'],
    my_a: ['acme/My_App/1.0.0'],
    app: ['hart-core/app/1.0.0'],
    edis: [],
    'red%2Fcore': [],
  }
  for (const [words, expected] of Object.entries(questions)) {
    const answer = await search(words)
    t.strictSame(answer.names, expected, words)
    t.match(answer, {
      status: 200,
      found: {
        range_start: 0,
        range_end: expected.length === 0 ? 0 : expected.length - 1,
        total_count: expected.length,
      },
    })
    t.match(answer.headers, {
      'cache-control': 'private, no-cache, no-store',
      'content-type': 'application/json; charset=utf-8',
    })
  }
})

test('distinct lists packages by name and origin, without version and release', async (t) => {
  const { found } = await search('redis', '?distinct=true')
  t.strictSame(
    found?.data,
    [
      ['acme', 'redis'],
      ['core', 'redis'],
      ['core', 'redis-tools'],
    ].map(([origin, name]) => ({ origin, name, version: null, release: null })),
  )
})

test('every search text is valid', async (t) => {
  for (const words of [
    '%22',
    '*',
    '%22%20OR%20%22*',
    'a%20AND',
    '(',
    'NEAR(a%20b)',
    '%00',
    '%2F',
    '-',
    '%F0%9F%A6%80',
    'words:a',
    `a${'b'.repeat(1_500)}`,
    'x-'.repeat(1_000),
    Array.from({ length: 500 }, (_, n) => n).join('-'),
    '%27;--',
  ]) {
    t.match(
      await search(words),
      { status: 200, found: { range_start: 0, range_end: 0, total_count: 0, data: [] } },
      words,
    )
  }
  for (const query of ['?range=x', '?distinct=maybe', '?distinct=1'])
    t.match(await search('redis', query), { status: 400, found: undefined }, query)
  t.equal((await search('%E0%A4%A')).status, 400, 'but a URL can be')
})

const finds = async (query: string, headers: Record<string, string> = {}) =>
  (await search('secret', query, headers)).found?.total_count

test('members find releases that are not public; only the owner finds them as packages', async (t) => {
  t.equal(await finds(''), 0)
  t.equal(await finds('', bearer(tokens.get('stranger') ?? '')), 0)
  t.equal(await finds('', bearer(tokens.get('readonly_member') ?? '')), 1)
  t.equal(await finds('?distinct=true', bearer(tokens.get('readonly_member') ?? '')), 0)
  t.equal(await finds('?distinct=true', bearer()), 1)
})

test('an offset selects the page that contains it', async (t) => {
  const many = Array.from({ length: 60 }, (_, n) => `many/thing-${String(n).padStart(2, '0')}/1.0.0/${STAMP}`)
  await makeReleases(started, ...many)
  for (const query of ['', '&distinct=true']) {
    t.match(await search('many', `?range=0${query}`), {
      status: 206,
      found: { range_start: 0, range_end: 49, total_count: 60 },
    })
    const last = await search('many', `?range=50${query}`)
    t.match(last, { status: 200, found: { range_start: 50, range_end: 59, total_count: 60 } })
    t.equal(last.found?.data[0]?.name, 'thing-50')
    t.match(
      await search('many', `?range=60${query}`),
      { status: 200, found: { range_start: 60, range_end: 69 } },
      'an offset within a page',
    )
    t.match(await search('many', `?range=100${query}`), {
      status: 200,
      found: { range_start: 100, range_end: 60, data: [] },
    })
  }
})

test("below a view's URL, a search finds only its members", async (t) => {
  const names = ['redis/4.0.0', 'redis/5.0.0', 'redis-tools/1.0.0', 'rust/1.0.0', 'secret/1.0.0']
  const releases = await makeReleases(started, ...names.map((name) => `viewed/${name}/${STAMP}`))
  await setVisibility(started, `viewed/secret/1.0.0/${STAMP}`, 'private')
  await move(
    started,
    'promote',
    'acceptance',
    releases.filter((_, index) => index !== 1),
  )
  const below = async (place: string, question: string, headers: Record<string, string> = {}) => {
    const { statusCode, body } = await started.app.inject({
      url: `/v1/depot/views/${place}/pkgs/search/${question}`,
      headers,
    })
    return { status: statusCode, found: JSON.parse(body) as Found }
  }
  for (const place of ['acceptance', 'acceptance/depot']) {
    const [tools, redis] = [
      ['redis-tools', '1.0.0'],
      ['redis', '4.0.0'],
    ].map(([name, version]) => ({ origin: 'viewed', name, version, release: STAMP }))
    t.strictSame(
      await below(place, 'viewed%2Fredis'),
      { status: 200, found: { range_start: 0, range_end: 1, total_count: 2, data: [tools, redis] } },
      place,
    )
    t.strictSame(
      (await below(place, 'redis?range=0&distinct=true')).found.data,
      ['redis', 'redis-tools'].map((name) => ({ origin: 'viewed', name, version: null, release: null })),
      place,
    )
    t.equal((await below(place, 'secret')).found.total_count, 0)
    t.equal((await below(place, 'secret', bearer())).found.total_count, 1)
    t.equal((await below(place, 'secret?distinct=true')).found.total_count, 0)
    t.equal((await below(place, 'secret?distinct=true', bearer())).found.total_count, 1)
    t.strictSame(await below(place, '-'), {
      status: 200,
      found: { range_start: 0, range_end: 0, total_count: 0, data: [] },
    })
    t.equal(
      (await started.app.inject({ url: `/v1/depot/views/${place}/pkgs/search/redis?range=x` })).statusCode,
      400,
    )
  }
  t.strictSame((await below('union', 'redis')).found.data, [], 'another view is unchanged')
  await move(started, 'demote', 'acceptance', releases.slice(0, 1))
  t.equal((await below('acceptance', 'redis')).found.total_count, 1, 'demoted releases are no longer found')
  const many = await makeReleases(
    started,
    ...Array.from({ length: 60 }, (_, n) => `paged/thing-${String(n).padStart(2, '0')}/1.0.0/${STAMP}`),
  )
  await move(started, 'promote', 'acceptance', many.slice(0, 55))
  for (const query of ['', '&distinct=true']) {
    t.match(await below('acceptance', `paged?range=0${query}`), {
      status: 206,
      found: { range_start: 0, range_end: 49, total_count: 55 },
    })
    t.match(await below('acceptance', `paged?range=50${query}`), {
      status: 200,
      found: { range_start: 50, range_end: 54, total_count: 55 },
    })
  }
})
