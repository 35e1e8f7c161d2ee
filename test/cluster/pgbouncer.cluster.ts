import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { runCommand } from '../../scripts/cluster/node-process.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { ClusterClient, expect, pollPath } from '../support/http/cluster-client.ts'
import { startPgBouncer } from '../support/storage/pgbouncer.ts'
import type { PgBouncer } from '../support/storage/pgbouncer.ts'
import { until } from '../support/until.ts'

// Nodes whose reads and writes go through PgBouncer in transaction pooling mode. Needs PgBouncer.

/** Fewer than one node opens: transactions of both nodes take turns on them. */
const POOL_SIZE = 3
const LIMIT_MS = 60_000
/** Longer than a lease. */
const LEASE_MS = 2_500
const APP = 'acme/app/1.0.0/20260101120000'

test('nodes behind PgBouncer', async (whole) => {
  let pooler: PgBouncer | undefined
  const cluster = await LocalCluster.start({
    environment: { DEPOT_SIGNATURES: 'verify' },
    ofNode: async (_index, { postgresPort }) => {
      pooler ??= await startPgBouncer(whole, postgresPort, POOL_SIZE)
      return {
        DEPOT_DATABASE_URL: `postgres://postgres@127.0.0.1:${pooler.port}/depot`,
        DEPOT_DATABASE_LISTEN_URL: `postgres://postgres@127.0.0.1:${postgresPort}/depot`,
      }
    },
  })
  whole.teardown(() => cluster.close())
  const [first, second] = cluster.nodes
  if (pooler === undefined || first === undefined || second === undefined) throw new Error('two nodes')
  const client = new ClusterClient({ url: first.url, nodes: cluster.nodes, adminToken: cluster.adminToken })
  await client.makeOrigin()

  let version = 0
  /** Uploads and promotes the next version on the first node. The second one must answer it at once. */
  const release = async (): Promise<void> => {
    version += 1
    const ident = `acme/app/1.0.${version}/20260101120000`
    expect(await client.upload(buildHart({ ident })), 201)
    const change = { releases: [ident], reason: 'the test' }
    expect(await client.call('POST', '/api/v1/views/prod/promotions', change), 200)
    const { status, text } = await ask(second.url + pollPath('app'))
    whole.match({ status, text }, { status: 200, text: `"version":"1.0.${version}"` })
  }

  await whole.test('both nodes share a few connections', async (t) => {
    await Promise.all(
      Array.from({ length: 20 }, () => ask(`${second.url}/api/v1/releases?origin=acme&limit=5`)),
    )
    for (let round = 0; round < 5; round += 1) await release()
    const backends = await cluster.postgres.query(
      `select count(*) filter (where application_name like '%listener'), count(*) filter (where application_name not like '%listener')
       from pg_stat_activity where datname = 'depot' and application_name like 'hart-depot %'`,
    )
    const [listeners = 0, pooled = 0] = backends.split('|').map(Number)
    t.ok(listeners >= 4, 'notifications and locks have connections of their own')
    t.ok(pooled > 0 && pooled <= POOL_SIZE, backends)
  })

  await whole.test('while PgBouncer is away, polls go on; when it is back, all goes on', async (t) => {
    await ask(first.url + pollPath('app')) // from now on, the answer is in its memory, too
    await pooler?.kill()
    const change = { releases: [APP], reason: 'the test' }
    t.match(await client.call('POST', '/api/v1/views/prod/promotions', change), {
      status: 503,
      headers: { 'retry-after': /^\d+$/ },
      text: /database_unavailable/,
    })
    await pause(LEASE_MS) // it is renewed on the server itself
    for (const { url } of cluster.nodes) t.equal((await ask(url + pollPath('app'))).status, 200)
    await pooler?.start()
    await client.whenAllAnswer()
    await release()
  })

  await whole.test('PgBouncer that restarts under load costs no acknowledged change', async (t) => {
    const over = new AbortController()
    let refused = 0
    let made = 0
    const load = (async () => {
      while (!over.signal.aborted) {
        const change = { releases: [`acme/app/1.0.${version}/20260101120000`], reason: 'the test' }
        const isPromotion = made % 2 === 1
        const path = `/api/v1/views/prod/${isPromotion ? 'promotions' : 'demotions'}`
        const { status } = await client.call('POST', path, change)
        if (status !== 200) {
          refused += 1
          await pause(10)
          continue
        }
        made += 1
        const polled = await ask(second.url + pollPath('app'))
        if (polled.status >= 500) continue // an answer that is not in memory yet
        const isThere = polled.text.includes(`"version":"1.0.${version}"`)
        if (isThere !== isPromotion)
          t.fail(`after change ${made}, the second node answered ${polled.status} ${polled.text}`)
      }
    })()
    for (let round = 0; round < 3; round += 1) {
      const before = made
      await until('changes are made', () => made > before + 5, LIMIT_MS)
      await pooler?.kill()
      await pooler?.start()
    }
    const before = made
    await until('changes go on', () => made > before + 5, LIMIT_MS)
    over.abort()
    await load
    t.comment(`${made} changes, ${refused} refusals`)
  })

  await whole.test('commands work through PgBouncer, too', async (t) => {
    const environment = {
      ...cluster.environment,
      DEPOT_DATABASE_URL: `postgres://postgres@127.0.0.1:${pooler?.port}/depot`,
      DEPOT_DATABASE_LISTEN_URL: cluster.environment['DEPOT_DATABASE_URL'] ?? '',
      DEPOT_DATA: join(cluster.folder, 'commands'),
    }
    await runCommand(['verify'], environment) // fails if views differ from the ledger
    await runCommand(['backup', join(cluster.folder, 'backup')], environment)
    t.pass()
  })
})
