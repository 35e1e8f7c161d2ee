import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { runCommand } from '../../scripts/cluster/node-process.ts'
import type { NodeProcess } from '../../scripts/cluster/node-process.ts'
import { ask } from '../support/ask.ts'
import type { Answer } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { ClusterClient, pollPath } from '../support/http/cluster-client.ts'
import { startPgBouncer } from '../support/storage/pgbouncer.ts'
import type { PgBouncer } from '../support/storage/pgbouncer.ts'
import { until } from '../support/until.ts'

// Nodes whose reads and writes go through PgBouncer in transaction pooling mode. Needs PgBouncer.

/** Fewer than one node opens: transactions of both nodes take turns on them. */
const POOL_SIZE = 3
const LIMIT_MS = 60_000
/** Longer than a lease. */
const LEASE_MS = 2_500

const identOf = (version: number) => `acme/app/1.0.${version}/20260101120000`

/** Polls a node, again if it refuses: on a busy machine it may lose its lease for a moment. */
const poll = async ({ url }: NodeProcess) => {
  let answer: Answer | undefined
  await until(
    'a poll is answered',
    async () => (answer = await ask(url + pollPath('app'))).status < 500,
    LIMIT_MS,
  )
  return answer?.text
}

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
  const promote = (number: number) =>
    client.call('POST', '/api/v1/views/prod/promotions', { releases: [identOf(number)], reason: 'the test' })
  /** Uploads and promotes the next version on the first node. The second one must answer it at once. */
  const release = async (): Promise<void> => {
    version += 1
    const hart = buildHart({ ident: identOf(version) })
    const isUploaded = async () => [201, 409].includes((await client.upload(hart)).status)
    await until('an upload is acknowledged', isUploaded, LIMIT_MS)
    await until('a promotion is acknowledged', async () => (await promote(version)).status === 200, LIMIT_MS)
    whole.match(await poll(second), `"version":"1.0.${version}"`)
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
    await poll(first) // from now on, the answer is in its memory, too
    await pooler?.kill()
    t.match(await promote(version), {
      status: 503,
      headers: { 'retry-after': /^\d+$/ },
      text: /database_unavailable/,
    })
    await pause(LEASE_MS) // it is renewed on the server itself
    for (const node of cluster.nodes) t.match(await poll(node), `"version":"1.0.${version}"`)
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
        const wanted = version - (made % 2)
        if ((await promote(wanted)).status !== 200) {
          refused += 1
          await pause(10)
          continue
        }
        made += 1
        const { status, text } = await ask(second.url + pollPath('app'))
        if (status >= 500) continue // an answer that is not in memory yet
        if (!text.includes(`"version":"1.0.${wanted}"`))
          t.fail(`after ${wanted}, the second node answered ${text}`)
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
