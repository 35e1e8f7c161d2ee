import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { MAX_STORED_DENIALS, listDenials } from '../../src/accounts/denial-store.ts'
import { Denials } from '../../src/accounts/denials.ts'
import type { Denial, DeniedRequest } from '../../src/accounts/denials.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { callApi } from '../support/call-api.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'

const DENIED: DeniedRequest = {
  at: 1_000,
  account: undefined,
  tokenId: undefined,
  address: '192.0.2.1',
  method: 'POST',
  route: '/api/v1/views/:view/promotions',
  path: '/api/v1/views/union/promotions',
  code: 'unauthenticated',
}

async function flushed(denials: Denials): Promise<readonly Denial[]> {
  const stored: Denial[] = []
  await denials.flush(async (counted) => stored.push(...counted))
  return stored
}

test('like requests are counted, and a flood of different ones takes no more memory', async (t) => {
  const denials = new Denials()
  for (const at of [1_000, 2_000, 3_000]) denials.note({ ...DENIED, at, path: `/x/${at}` })
  t.match(await flushed(denials), [{ requests: 3, firstAt: 1_000, lastAt: 3_000, path: '/x/3000' }])
  t.strictSame(await flushed(denials), [])

  for (let index = 0; index < 5_000; index += 1)
    denials.note({ ...DENIED, address: `10.0.${index >> 8}.${index & 255}` })
  denials.note({ ...DENIED, account: 'ci', tokenId: 7 })
  const stored = await flushed(denials)
  t.ok(stored.length < 250, `${stored.length} are remembered`)
  t.equal(
    stored.reduce((sum, { requests }) => sum + requests, 0),
    5_001,
    'and none is lost',
  )
  t.match(
    stored.at(0),
    { account: 'ci', tokenId: 7, network: '192.0.2.1' },
    'an account is never among the others',
  )
  t.match(stored.at(-1), { network: null, requests: 4_800 })
})

test('counts that cannot be stored are kept', async (t) => {
  const denials = new Denials()
  denials.note(DENIED)
  await t.rejects(
    denials.flush(() => {
      denials.note({ ...DENIED, at: DENIED.at + 5 })
      return Promise.reject(new Error('full'))
    }),
    { message: 'full' },
  )
  t.match(await flushed(denials), [{ requests: 2, firstAt: DENIED.at, lastAt: DENIED.at + 5 }])
})

test('refused changes and administration are stored up to a limit, others are not, and the ledger does not grow', async (t) => {
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder })
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  await callApi(started, 'PATCH', '/api/v1/reserved-origins', { body: { add: ['secret'] } })
  const token = await started.account('ci')
  const before = (await findHead(started.depot.db)).sequence
  const freeze = { body: { reason: 'x' } }
  for (const caller of [token, null, 'wrong', token])
    await callApi(started, 'PUT', '/api/v1/views/union/gates', { token: caller, ...freeze })
  await callApi(started, 'GET', '/api/v1/webhooks', { token }) // for administrators
  await callApi(started, 'GET', '/api/v1/webhooks', { token: null })
  await callApi(started, 'GET', '/api/v1/views/none', { token })
  await callApi(started, 'PUT', '/api/v1/views/none/gates', { body: {} })
  await callApi(started, 'POST', '/v1/depot/origins', { token, body: { name: 'secret' } })
  t.match(
    (await started.app.inject('/metrics')).body,
    /^hart_depot_denied_requests_total\{code="forbidden"\} 3\nhart_depot_denied_requests_total\{code="unauthenticated"\} 2$/m,
  )
  await started.close()

  const listed = await runHere(['denials', '--json'], { DEPOT_DATA: folder })
  const { denials } = JSON.parse(listed.stdout) as { denials: Record<string, unknown>[] }
  t.match(
    denials
      .map(({ account, code, method, path, requests }) => [account, code, method, path, requests])
      .toSorted((one, other) => String(one).localeCompare(String(other))),
    [
      [null, 'unauthenticated', 'PUT', '/api/v1/views/union/gates', 2],
      ['ci', 'forbidden', 'GET', '/api/v1/webhooks', 1],
      ['ci', 'forbidden', 'PUT', '/api/v1/views/union/gates', 2],
      ['ci', 'origin_reserved', 'POST', '/v1/depot/origins', 1],
    ],
  )
  t.match(await runHere(['denials', '--account', 'ci', '--since', '1h'], { DEPOT_DATA: folder }), {
    code: 0,
    stdout: 'nothing was refused\n',
  })
  t.match(await runHere(['denials', '--account', 'ci'], { DEPOT_DATA: folder }), {
    stdout:
      /^LAST +REQUESTS +ACCOUNT .*\n2026-01-01T00:00:00Z +1 +ci +\d+ +127\.0\.0\.1 +origin_reserved +POST \/v1\/depot\/origins\n/,
  })

  const database = new BetterSqlite3(join(folder, 'depot.sqlite'))
  database.exec(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MAX_STORED_DENIALS + 100})
    INSERT INTO denials (first_at, last_at, requests, method, route, path, code)
    SELECT 1, 1, 1, 'PUT', '/', '/', 'unauthenticated' FROM n`,
  )
  database.close()
  const again = await startDepot(t, { folder })
  t.equal((await findHead(again.depot.db)).sequence, before)
  const actor = { client: 'tests', door: 'cli' } as const
  await again.depot.writer.submit({ kind: 'saveDenials', input: { denials: [] }, actor })
  const stored = await listDenials(again.depot.db, { since: 0, account: undefined })
  t.equal(stored.length, MAX_STORED_DENIALS + 3, 'the oldest are deleted')
  t.equal(stored.filter(({ account }) => account === 'ci').length, 3, 'but none of an account')
})
