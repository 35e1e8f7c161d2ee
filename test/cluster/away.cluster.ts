import { test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { ask } from '../support/ask.ts'
import type { Answer } from '../support/ask.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { until } from '../support/until.ts'

// What nodes as processes answer while PostgreSQL is away, and after it came back with less than it had. The
// first node refuses without a lease, the second one serves.

const POLL = '/v1/depot/channels/acme/prod/pkgs/app/latest?target=x86_64-linux'
const LIMIT_MS = 60_000

const poll = (url: string) => ask(url + POLL)
const isAnswering = async (url: string) => (await poll(url).catch(() => undefined))?.status === 404

test('nodes without PostgreSQL', async (t) => {
  let cable: CuttableProxy | undefined
  const cluster = await LocalCluster.start({
    ofNode: async (index, { postgresPort }) => {
      if (index === 0) return { DEPOT_STALE: 'refuse' }
      cable = await startCuttableProxy(t, postgresPort)
      const url = `postgres://postgres@127.0.0.1:${cable.port}/depot`
      return { DEPOT_STALE: 'serve', DEPOT_DATABASE_URL: url }
    },
  })
  t.teardown(() => cluster.close())
  const [refusing, serving] = cluster.nodes
  if (refusing === undefined || serving === undefined) throw new Error('the cluster has two nodes')
  const create = async (name: string): Promise<Answer> =>
    ask(`${serving.url}/api/v1/origins`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cluster.adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    })
  t.equal((await create('acme')).status, 201)
  for (const { url } of cluster.nodes)
    t.match(await poll(url), { status: 404, headers: { 'x-hart-depot-stale': undefined } })

  const isStale = async () => (await poll(serving.url)).headers['x-hart-depot-stale'] !== undefined
  cable?.cut()
  await until('the lease of the second node ends', isStale, LIMIT_MS)
  t.match(await create('other'), { status: 503, text: /this node cannot reach the database/ }, 'at once')
  cable?.mend()
  await until('it holds a lease again', async () => !(await isStale()), LIMIT_MS)

  await cluster.postgres.stop('SIGQUIT')
  await until(
    'the lease of the first node ends',
    async () => (await poll(refusing.url)).status === 503,
    LIMIT_MS,
  )
  await until('that of the second one ends', isStale, LIMIT_MS)
  t.match(await poll(refusing.url), { status: 503, headers: { 'retry-after': '1' } })
  t.match(await poll(serving.url), { status: 404, headers: { 'x-hart-depot-stale': /^\d+$/ } })
  t.match(await ask(`${refusing.url}/readyz`), { status: 503, text: /"code":"node"/ })
  t.match(await ask(`${serving.url}/readyz`), { status: 200, text: /"code":"node"/ })
  t.equal((await ask(`${refusing.url}/healthz`)).status, 200)
  t.equal((await poll(cluster.url)).status, 404, 'nginx asks the node that answers')
  t.match(await create('other'), { status: 503, text: /database_unavailable/ })

  await cluster.postgres.restart()
  for (const { name, url } of cluster.nodes)
    await until(
      `${name} answers again, and nothing old`,
      async () => (await isAnswering(url)) && (await poll(url)).headers['x-hart-depot-stale'] === undefined,
      LIMIT_MS,
    )
  t.equal((await create('other')).status, 201)

  // As after a failover to a replica that lacks the last entry.
  await cluster.postgres.query(
    'delete from ledger where sequence = (select max(sequence) from ledger)',
    'depot',
  )
  for (const node of cluster.nodes) {
    await until(`${node.name} ends`, () => node.ends > 0, LIMIT_MS)
    await until(`${node.name} answers with new memory`, async () => isAnswering(node.url), LIMIT_MS)
    t.equal(node.ends, 1)
  }
})
