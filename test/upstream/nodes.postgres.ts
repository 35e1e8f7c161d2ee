import { sql } from 'kysely'
import { test } from 'tap'
import type { Test } from 'tap'
import type { Db } from '../../src/database/database.ts'
import { bearer } from '../support/origin.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

/** Nobody asks upstream in this test. */
const NOWHERE = 'http://127.0.0.1:9'
const REFRESH_AND_MIRROR = [3, 4]

async function startNode(t: Test, databaseUrl?: string): Promise<TestDepot> {
  return startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: {
      DEPOT_UPSTREAM: NOWHERE,
      DEPOT_UPSTREAM_ORIGINS: 'core',
      DEPOT_MIRROR: 'core/stable',
      ...(databaseUrl !== undefined && { DEPOT_DATABASE_URL: databaseUrl }),
    },
  })
}

/** Returns how many sessions have the lock of each job of upstream, by the number of the job. */
async function leaders(db: Db): Promise<number[]> {
  const { rows } = await sql<{ job: number }>`
    select objid::int as job from pg_locks
    where locktype = 'advisory' and classid = 4117100 and objid in (3, 4) and granted
      and database = (select oid from pg_database where datname = current_database())
    order by objid`.execute(db)
  return rows.map(({ job }) => job)
}

test('of several nodes with threads, one refreshes and mirrors by schedule, and another one takes over', async (t) => {
  const first = await startNode(t)
  const { database } = first.depot.config
  const second = await startNode(t, 'url' in database ? database.url : undefined)
  await until('one leads', async () => (await leaders(second.depot.db)).length > 0)
  await until('both jobs are led', async () => (await leaders(second.depot.db)).length === 2)
  t.strictSame(await leaders(second.depot.db), REFRESH_AND_MIRROR)

  const ended = { begunAt: START, endedAt: START + 1, planned: 7, fetched: 7 }
  await first.depot.writer.submit({
    kind: 'recordMirror',
    input: { status: JSON.stringify(ended) },
    actor: { client: 'tests', door: 'cli' },
  })
  const answer = await fetch(`${second.url}/api/v1/upstream/mirror`, { headers: bearer() })
  t.match(await answer.json(), { status: { planned: 7, fetched: 7 } }, 'it shows the runs of others, too')

  await first.close()
  await until('the other node leads both', async () => (await leaders(second.depot.db)).length === 2)
  t.strictSame(await leaders(second.depot.db), REFRESH_AND_MIRROR)
})
