import { execFileSync, spawnSync } from 'node:child_process'
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { appendFileSync, globSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { test } from 'tap'
import type { Test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { runCommand } from '../../scripts/cluster/node-process.ts'
import type { NodeProcess } from '../../scripts/cluster/node-process.ts'
import { ask } from '../support/ask.ts'
import type { Answer } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { ClusterClient, expect, pollPath } from '../support/http/cluster-client.ts'
import { until } from '../support/until.ts'

// Nodes whose PostgreSQL is there, but refuses writes, has no room, or whose answers do not arrive; and a node
// whose clock steps, by Debian's package faketime.

const LIMIT_MS = 60_000
/** Longer than a lease. */
const LEASE_MS = 2_500
const DISK_BYTES = 64 * 1024 ** 2
const PIECE = Buffer.alloc(64 * 1024)
const RELEASES = ['1.0.0', '1.1.0'].map((version) => `acme/app/${version}/20260101120000`)

const [FAKETIME] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')
const DAY_MS = 24 * 60 * 60_000

/** A disk of its own for the database, which can be filled. Absent where this user may not mount one. */
async function mountDisk(t: Test): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder])
  t.teardown(async () => {
    if (status === 0) execFileSync('umount', ['--lazy', folder])
    await rm(folder, { recursive: true, force: true })
  })
  return status === 0 ? folder : undefined
}

/** Moves the database to a disk. */
async function moveDatabase(port: number, folder: string): Promise<void> {
  const client = new Client({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres` })
  await client.connect()
  const { rows } = await client.query<{ data_directory: string }>('show data_directory')
  const { uid, gid } = await stat(rows[0]?.data_directory ?? '')
  await chown(folder, uid, gid)
  await client.query(`create tablespace small location '${folder}'`)
  await client.query('alter database depot set tablespace small')
  await client.end()
}

/** Writes to a file until its disk has no room. */
function fillDisk(file: string): void {
  try {
    for (;;) appendFileSync(file, PIECE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

interface Scene {
  readonly cluster: LocalCluster
  readonly nodes: readonly [NodeProcess, NodeProcess]
  /** Between each node and PostgreSQL. */
  readonly cables: readonly CuttableProxy[]
  /** Sets the clock of the second node, as seconds to add to the true time, for example `+60`. */
  readonly setClock: (seconds: string) => Promise<void>
  /** Promotes and demotes releases through a node, so that each change is one. */
  readonly change: (node: NodeProcess) => Promise<Answer>
  /** Resolves when both nodes answer what was acknowledged last. */
  readonly whenAllAnswer: () => Promise<void>
}

async function startScene(t: Test, disk: string | undefined): Promise<Scene> {
  const cables: CuttableProxy[] = []
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-clock-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const clock = join(folder, 'clock')
  await writeFile(clock, '+0')
  const withClock = {
    LD_PRELOAD: FAKETIME ?? '',
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  const cluster = await LocalCluster.start({
    environment: { DEPOT_SIGNATURES: 'verify' },
    ofNode: async (index, { postgresPort }) => {
      if (index === 0 && disk !== undefined) await moveDatabase(postgresPort, disk)
      const cable = await startCuttableProxy(t, postgresPort)
      cables.push(cable)
      return {
        DEPOT_DATABASE_URL: `postgres://postgres@127.0.0.1:${cable.port}/depot`,
        ...(index === 1 && FAKETIME !== undefined && withClock),
      }
    },
  })
  t.teardown(() => cluster.close())
  const [first, second] = cluster.nodes
  if (first === undefined || second === undefined) throw new Error('the cluster has two nodes')
  const client = new ClusterClient(cluster)
  await client.makeOrigin()
  for (const ident of RELEASES) expect(await client.upload(buildHart({ ident })), 201)
  let made = 0
  let promoted = ''
  return {
    cluster,
    cables,
    nodes: [first, second],
    setClock: (seconds) => writeFile(clock, seconds),
    async change({ url }) {
      const to = RELEASES[made % 2] ?? ''
      const through = new ClusterClient({ url, nodes: cluster.nodes, adminToken: cluster.adminToken })
      const body = { releases: [to], reason: 'the test' }
      const answer = await through.call('POST', '/api/v1/views/prod/promotions', body)
      if (answer.status === 200) {
        made += 1
        promoted = to
      }
      return answer
    },
    async whenAllAnswer() {
      for (const { name, url } of cluster.nodes)
        await until(
          `${name} answers what was promoted`,
          async () => {
            const { status, text } = await ask(url + pollPath('app'))
            return status === 200 && text.includes(promoted.split('/')[2] ?? '')
          },
          LIMIT_MS,
        )
    },
  }
}

const pollOf = async ({ url }: NodeProcess) => (await ask(url + pollPath('app'))).status

test('a PostgreSQL that is there, but does not do its work', async (whole) => {
  const disk = await mountDisk(whole)
  const { cluster, nodes, cables, setClock, change, whenAllAnswer } = await startScene(whole, disk)
  const { postgres } = cluster
  const [first, second] = nodes
  expect(await change(first), 200)
  await whenAllAnswer()

  // A node may lose its lease for a moment on a busy machine, and then refuses with 503.
  const findsNoRoom = async (node: NodeProcess) => {
    const { status, text } = await change(node)
    return status === 507 && text.includes('storage_full')
  }
  const whenNoRoom = async () => {
    for (const node of nodes) await until(`${node.name} finds no room`, () => findsNoRoom(node), LIMIT_MS)
  }

  await whole.test('that only reads: nodes refuse, and come back by themselves', async (t) => {
    const reload = 'select pg_reload_conf()'
    await postgres.query('alter system set default_transaction_read_only = on')
    await postgres.query(reload)
    const refused = async () => {
      const answer = await change(first)
      return answer.status !== 200 && answer
    }
    let answer: Answer | false = false
    await until('changes are refused', async () => (answer = await refused()) !== false, LIMIT_MS)
    t.match(answer, { status: 503, headers: { 'retry-after': /^\d+$/ }, text: /database_unavailable/ })
    for (const node of nodes)
      await until(`${node.name} refuses polls`, async () => (await pollOf(node)) === 503, LIMIT_MS)
    t.match(await ask(`${first.url}/readyz`), { status: 503, text: /"code":"node"/ })
    await postgres.query('alter system reset default_transaction_read_only')
    await postgres.query(reload)
    await until('changes are made', async () => (await change(second)).status === 200, LIMIT_MS)
    await whenAllAnswer()
  })

  if (disk !== undefined)
    await whole.test('whose disk is full: changes get 507, and polls go on', async () => {
      const file = join(disk, 'other')
      fillDisk(file)
      await whenNoRoom()
      await pause(LEASE_MS)
      await whenAllAnswer()
      await whenNoRoom()
      await rm(file)
      for (const node of nodes)
        await until('changes are made', async () => (await change(node)).status === 200, LIMIT_MS)
      await whenAllAnswer()
    })

  await whole.test('whose answers do not arrive: the other node goes on', async (t) => {
    const [cable] = cables
    const over = new AbortController()
    // It may stop in the middle of a transaction, and then has its turn until the server ends it.
    const load = (async () => {
      while (!over.signal.aborted) {
        await change(first).catch(() => undefined)
        await pause(10)
      }
    })()
    cable?.cutAnswers()
    await until('the first node refuses', async () => (await pollOf(first)) === 503, LIMIT_MS)
    await until('the second node makes changes', async () => (await change(second)).status === 200, LIMIT_MS)
    await until('it answers polls', async () => (await pollOf(second)) === 200, LIMIT_MS)
    t.equal(await pollOf(first), 503)
    over.abort()
    cable?.mend()
    await load
    await until('the first node makes changes', async () => (await change(first)).status === 200, LIMIT_MS)
    await whenAllAnswer()
  })

  if (FAKETIME !== undefined)
    await whole.test('a node whose clock steps: times stay in order, and leases last', async (t) => {
      for (const days of [1, -1, 0]) {
        await setClock(`${days < 0 ? '' : '+'}${(days * DAY_MS) / 1_000}`)
        const isSet = async () => {
          const { headers } = await ask(`${second.url}/healthz`)
          return Math.abs(Date.parse(headers.date ?? '') - Date.now() - days * DAY_MS) < DAY_MS / 2
        }
        await until('its clock has stepped', isSet, LIMIT_MS)
        for (const node of [second, first, second])
          await until('changes are made', async () => (await change(node)).status === 200, LIMIT_MS)
        await whenAllAnswer()
      }
      const backwards = `select count(*) from (select at, lag(at) over (order by sequence) as before from ledger) as entries where at < before`
      t.equal(await postgres.query(backwards, 'depot'), '0')
      const ahead = `select count(*) from ledger where at > ${Date.now() + DAY_MS / 2}`
      t.not(await postgres.query(ahead, 'depot'), '0', 'the node wrote with its clock')
    })

  for (const node of nodes) whole.equal(node.ends, 0, 'no node had to start again')
  await Promise.all(nodes.map((node) => node.stop()))
  // Fails unless the chain verifies, and views equal the fold of the ledger.
  await runCommand(['verify'], { ...cluster.environment, DEPOT_DATA: first.folder })
})
