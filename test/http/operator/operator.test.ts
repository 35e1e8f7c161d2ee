import { rm } from 'node:fs/promises'
import tap, { test } from 'tap'
import { callApi } from '../../support/call-api.ts'
import { bearer } from '../../support/origin.ts'
import { overwriteTable } from '../../support/faults/overwrite-table.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { START, startDepot } from '../../support/start-depot.ts'
import { isOnPostgres } from '../../support/test-database.ts'

const started = await startDepot(tap)

/** The value of one metric. */
async function metric(name: string): Promise<number | undefined> {
  const { text } = await callApi(started, 'GET', '/metrics', { token: null })
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

test('/healthz answers while the depot runs', async (t) => {
  t.match(await callApi(started, 'GET', '/healthz', { token: null }), {
    status: 200,
    text: 'ok\n',
    differences: '',
    headers: { 'cache-control': 'no-store' },
  })
})

test('/readyz reports a ready depot and the state of its disk', async (t) => {
  t.match(await callApi(started, 'GET', '/readyz', { token: null }), {
    status: 200,
    differences: '',
    body: { ready: true, database: 'ok', disk: 'ok' },
  })
})

test('a depot that cannot write is ready and reports the reason', async (t) => {
  const { app, depot } = await startDepot(t)
  await rm(depot.config.blobFolder, { recursive: true })
  const answer = await app.inject('/readyz')
  t.match(
    { status: answer.statusCode, body: answer.json<unknown>() },
    {
      status: 200,
      body: {
        ready: true,
        disk: 'failed: ENOENT',
        problems: [{ code: 'data_gone' }, { detail: 'uploads are refused: the disk failed: ENOENT' }],
      },
    },
  )
})

if (!isOnPostgres)
  test('a depot that met a damaged part of its database is ready and says so', async (t) => {
    const { folder, app } = await startDepot(t)
    const problems = async () => (await app.inject('/readyz')).json<{ problems: unknown }>().problems
    t.strictSame(await problems(), [])
    await overwriteTable(folder, 'exchange_rules')
    t.equal((await app.inject({ url: '/api/v1/exchange-rules', headers: bearer() })).statusCode, 500)
    t.match(await problems(), [{ code: 'database', detail: /^a part of the database is damaged/ }])
  })

test('a depot that is being moved is ready and says that it refuses changes', async (t) => {
  const { app, depot } = await startDepot(t)
  const actor = { client: 'tests', door: 'cli' } as const
  await depot.writer.submit({ kind: 'setMoving', input: { reason: 'it is being moved to /x' }, actor })
  const refusal = async () => {
    const url = '/api/v1/views'
    const answer = await app.inject({ method: 'POST', url, headers: bearer(), payload: { name: 'later' } })
    return [answer.statusCode, answer.headers['retry-after']]
  }
  t.strictSame(await refusal(), [503, '60'])
  const answer = await app.inject('/readyz')
  t.match(answer.json<unknown>(), {
    ready: true,
    problems: [{ code: 'moving', detail: /being moved, or was/ }],
  })
  t.notMatch(answer.payload, '/x', 'everyone may read this')
  await depot.writer.submit({ kind: 'setMoving', input: { reason: 'it was moved to /x' }, actor })
  t.strictSame(await refusal(), [503, undefined], 'it refuses for good')
})

test('a depot whose database does not answer is not ready', async (t) => {
  const { app, depot } = await startDepot(t)
  await depot.close()
  const answer = await app.inject('/readyz')
  t.match(
    { status: answer.statusCode, body: answer.json<unknown>() },
    { status: 503, body: { ready: false, database: 'failed' } },
  )
})

test('requests are counted by API, method and class of status, and by no other label', async (t) => {
  for (const url of [
    '/v1/depot/pkgs/acme/zebra/latest',
    '/v1/depot/pkgs/acme/giraffe/latest?target=x86_64-linux',
    '/api/v1/views',
  ])
    await callApi(started, 'GET', url)
  t.equal(await metric('hart_depot_request_duration_seconds_count{door="poll",method="GET",status="4xx"}'), 2)
  t.equal(await metric('hart_depot_request_duration_seconds_count{door="api",method="GET",status="2xx"}'), 1)
  t.notMatch((await callApi(started, 'GET', '/metrics')).text, /acme|zebra|giraffe/)
})

test('uploads, promotions, commits and revisions are counted', async (t) => {
  const releases = [
    ...(await makeReleases(started, 'acme/app/1.0.0/20260101000000')),
    ...(await makeReleases(started, 'acme/web/1.0.0/20260101000000')),
  ]
  await move(started, 'promote', 'delivered', releases)
  await move(started, 'demote', 'delivered', releases)
  t.equal(await metric('hart_depot_uploads_total'), 2)
  t.equal(await metric('hart_depot_uploaded_bytes_total'), 2)
  t.equal(await metric('hart_depot_promotions_total{act="promote",cause="upload"}'), 2)
  t.equal(await metric('hart_depot_promotions_total{act="promote",cause="asked"}'), 1)
  t.equal(await metric('hart_depot_promotions_total{act="demote",cause="asked"}'), 1)
  t.equal(await metric('hart_depot_view_revision{view="delivered"}'), 2)
  t.ok(Number(await metric('hart_depot_commit_commands_count')) >= 5)
  t.ok(Number(await metric('hart_depot_sent_bytes_total{door="api"}')) > 0)
  t.ok(Number(await metric('process_cpu_seconds_total')) > 0)
})

test('views made by clients are no labels', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'by-a-client', ownerId: 1 },
    actor,
  })
  t.notMatch((await callApi(started, 'GET', '/metrics')).text, /by-a-client/)
})

test('polls that get an error are counted by its code', async (t) => {
  await callApi(started, 'GET', '/v1/depot/views/nowhere/pkgs/acme/app/latest', { token: null })
  await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/latest', { token: 'wrong' })
  t.equal(await metric('hart_depot_polls_refused_total{reason="view_absent"}'), 1)
  t.equal(await metric('hart_depot_polls_refused_total{reason="unauthenticated"}'), 1)
  t.equal(await metric('hart_depot_polls_refused_total{reason="internal"}'), 0)
})

test('the version and the problems of /readyz are metrics', async (t) => {
  const { version } = (await callApi(started, 'GET', '/api/v1/version')).body as { version: string }
  t.equal(await metric(`hart_depot_build_info{version="${version}"}`), 1)
  t.equal(await metric('hart_depot_problem{problem="clock"}'), 0)
  started.setClock(START - 3_600_000)
  t.match((await callApi(started, 'GET', '/readyz')).body, {
    ready: true,
    problems: [{ code: 'clock', detail: /^the clock is 3\d{3} seconds behind/ }],
  })
  t.equal(await metric('hart_depot_problem{problem="clock"}'), 1)
})

test('openapi.yaml describes every API and is served', async (t) => {
  const { status, text, headers, differences } = await callApi(started, 'GET', '/openapi.yaml', {
    token: null,
  })
  t.match(
    { status, differences, headers },
    { status: 200, differences: '', headers: { 'content-type': /^application\/yaml/ } },
  )
  t.match(text, /^openapi: 3\.1\.0$/m)
})
