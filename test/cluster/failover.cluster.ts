import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { runCommand } from '../../scripts/cluster/node-process.ts'
import type { NodeProcess } from '../../scripts/cluster/node-process.ts'
import type { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { ClusterClient, pollPath } from '../support/http/cluster-client.ts'
import { until } from '../support/until.ts'

// Nodes whose PostgreSQL fails over to a real standby: one that lacks the last transactions, and then one
// that each commit waits for. A proxy stands for the address that leads to the primary.

const LIMIT_MS = 60_000
const POLL_EVERY_MS = 10
const LAST_SEQUENCE = 'select max(sequence) from ledger'

interface Scene {
  readonly cluster: LocalCluster
  /** Between each node and its server. */
  readonly cables: readonly CuttableProxy[]
  readonly nodes: readonly [NodeProcess, NodeProcess]
}

async function startScene(t: Test): Promise<Scene> {
  const cables: CuttableProxy[] = []
  const cluster = await LocalCluster.start({
    environment: { DEPOT_SIGNATURES: 'verify' },
    ofNode: async (_index, { postgresPort }) => {
      const cable = await startCuttableProxy(t, postgresPort)
      cables.push(cable)
      return { DEPOT_DATABASE_URL: `postgres://postgres@127.0.0.1:${cable.port}/depot` }
    },
  })
  t.teardown(() => cluster.close())
  const [first, second] = cluster.nodes
  if (first === undefined || second === undefined) throw new Error('the cluster has two nodes')
  return { cluster, cables, nodes: [first, second] }
}

/** Starts a standby, and resolves when it has everything. `cable` is between it and its primary. */
async function startStandby(
  t: Test,
  primary: ThrowawayPostgres,
  name: string,
): Promise<{ standby: ThrowawayPostgres; cable: CuttableProxy }> {
  const cable = await startCuttableProxy(t, primary.port)
  const standby = await primary.startStandby(name, { port: cable.port })
  t.teardown(() => standby.close())
  const last = await primary.query(LAST_SEQUENCE, 'depot')
  await until('the standby has everything', async () => (await standby.query(LAST_SEQUENCE, 'depot')) >= last)
  return { standby, cable }
}

const lastSequence = async (postgres: ThrowawayPostgres) =>
  Number(await postgres.query(LAST_SEQUENCE, 'depot'))

/**
 * Uploads and promotes a version of a package through a node. Returns whether both were acknowledged, now or
 * before.
 */
async function publish(cluster: LocalCluster, { url }: NodeProcess, version: number): Promise<boolean> {
  const client = new ClusterClient({ url, nodes: cluster.nodes, adminToken: cluster.adminToken })
  const ident = `acme/app/1.0.${version}/20260101120000`
  const { status } = await client.upload(buildHart({ ident }))
  const change = { releases: [ident], reason: 'the test' }
  return (
    (status === 201 || status === 409) &&
    (await client.call('POST', '/api/v1/views/prod/promotions', change)).status === 200
  )
}

/** Resolves when {@link publish} has succeeded. */
const release = (cluster: LocalCluster, node: NodeProcess, version: number) =>
  until(`version ${version} is acknowledged`, () => publish(cluster, node, version), LIMIT_MS)

/** Polls a node. Returns the version, or `undefined` if the node refuses or does not answer. */
async function poll({ url }: NodeProcess): Promise<number | undefined> {
  const answer = await ask(url + pollPath('app')).catch(() => undefined)
  const version = /"version":"1\.0\.(\d+)"/.exec(answer?.text ?? '')?.[1]
  return answer?.status === 200 ? Number(version) : undefined
}

/** Polls a node until a signal. Returns the versions, each only when it differs from the one before. */
async function pollOn(node: NodeProcess, signal: AbortSignal): Promise<number[]> {
  const versions: number[] = []
  for (; !signal.aborted; await pause(POLL_EVERY_MS)) {
    const found = await poll(node)
    if (found !== undefined && versions.at(-1) !== found) versions.push(found)
  }
  return versions
}

/** Resolves when a node answers a version. On a busy machine it may lose its lease, and refuses meanwhile. */
const whenAnswers = (node: NodeProcess, version: () => number) =>
  until(`${node.name} answers`, async () => (await poll(node)) === version(), LIMIT_MS)

test('failover of PostgreSQL', async (whole) => {
  const { cluster, cables, nodes } = await startScene(whole)
  const [first, second] = nodes
  let primary = cluster.postgres
  await new ClusterClient(cluster).makeOrigin()
  await release(cluster, first, 1)

  await whole.test('to a standby that lost changes: nodes begin anew with what is there', async (t) => {
    const { standby, cable } = await startStandby(whole, primary, 'behind')
    const kept = await lastSequence(primary)
    cable.cut()
    await release(cluster, second, 2)
    for (const node of nodes) await whenAnswers(node, () => 2)
    const over = new AbortController()
    const polls = nodes.map((node) => pollOn(node, over.signal))

    await primary.stop('SIGQUIT')
    await standby.promote()
    for (const each of cables) each.leadTo(standby.port)
    for (const node of nodes) {
      await until(`${node.name} ends`, () => node.ends > 0, LIMIT_MS)
      await whenAnswers(node, () => 1)
    }
    over.abort()
    for (const versions of await Promise.all(polls))
      t.strictSame(versions, [2, 1], 'nothing of the lost state after a node has noticed')
    t.equal(await lastSequence(standby), kept)

    await release(cluster, first, 2) // published again
    await release(cluster, first, 3)
    for (const node of nodes) {
      await whenAnswers(node, () => 3)
      t.equal(node.ends, 1, 'a node ends once')
    }
    t.ok((await lastSequence(standby)) > kept)
    primary = standby
  })

  await whole.test('to a standby that each commit waits for: nothing acknowledged is lost', async (t) => {
    const { standby, cable } = await startStandby(whole, primary, 'confirming')
    await primary.query(`alter system set synchronous_standby_names = 'confirming'`)
    await primary.query('select pg_reload_conf()')
    const isSynchronous = `select count(*) from pg_stat_replication where sync_state = 'sync'`
    await until('commits wait for it', async () => (await primary.query(isSynchronous)) === '1')

    const over = new AbortController()
    let acknowledged = 3
    const stale: string[] = []
    /** Publishes versions one after another through the second node. */
    const load = (async () => {
      for (let version = 4; !over.signal.aborted;) {
        const isDone = await publish(cluster, second, version).catch(() => false)
        if (isDone) acknowledged = version++
        else await pause(20)
      }
    })()
    const polls = nodes.map(async (node) => {
      for (; !over.signal.aborted; await pause(POLL_EVERY_MS)) {
        const before = acknowledged
        const found = (await poll(node)) ?? before
        if (found < before) stale.push(`${node.name} answered ${found} after ${before}`)
      }
    })
    const more = async (what: string) => {
      const before = acknowledged
      await until(`changes are acknowledged ${what}`, () => acknowledged > before + 1, LIMIT_MS)
    }
    await more('by both servers')

    // The network breaks between the old primary with the first node, and the standby with the second one.
    cable.cut()
    await until('the first node refuses', async () => (await poll(first)) === undefined, LIMIT_MS)
    await standby.promote()
    cables[1]?.leadTo(standby.port)
    await more('by the new primary, though the first node still reaches the old one')
    t.equal(await poll(first), undefined, 'the first node answers nothing old')

    await primary.stop('SIGQUIT')
    cables[0]?.leadTo(standby.port)
    await whenAnswers(first, () => acknowledged)
    await more('by both nodes')
    over.abort()
    await Promise.all([load, ...polls])
    t.strictSame(stale, [])
    for (const node of nodes) t.equal(node.ends, 1, 'no node had to begin anew')
    primary = standby
  })

  await Promise.all(nodes.map((node) => node.stop()))
  // Fails unless the chain verifies, and views equal the fold of the ledger.
  await runCommand(['verify'], {
    ...cluster.environment,
    DEPOT_DATABASE_URL: primary.url.replace(/postgres$/, 'depot'),
    DEPOT_DATA: first.folder,
  })
})
