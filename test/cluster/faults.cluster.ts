import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { runCommand } from '../../scripts/cluster/node-process.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { ClusterClient, expect, pollPath } from '../support/http/cluster-client.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { runsOf, seeded } from '../support/random.ts'
import { startReceiver } from '../support/webhooks/receiver.ts'
import { until } from '../support/until.ts'

// Nodes, PostgreSQL and nginx as processes, which are killed, stopped and cut off while uploads, promotions
// and polls go on. `RUNS=` says how many faults; without it, each kind comes once.

const LINES = 4
const FAULTS = [
  'kill a node',
  'end listeners',
  'restart PostgreSQL',
  'cut a node off',
  'stop a node for a while',
] as const
const HAS_ENDED_MS = 4_000

/** A cluster with a client, and a cable between each node and PostgreSQL. */
interface Scene {
  readonly cluster: LocalCluster
  readonly cables: readonly CuttableProxy[]
  readonly client: ClusterClient
}

async function startScene(t: Test): Promise<Scene> {
  const cables: CuttableProxy[] = []
  const cluster = await LocalCluster.start({
    environment: { DEPOT_SIGNATURES: 'verify', DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' },
    ofNode: async (_index, { postgresPort }) => {
      const cable = await startCuttableProxy(t, postgresPort)
      cables.push(cable)
      return { DEPOT_DATABASE_URL: `postgres://postgres@127.0.0.1:${cable.port}/depot` }
    },
  })
  t.teardown(() => cluster.close())
  return { cluster, cables, client: new ClusterClient(cluster) }
}

const releaseOf = (line: number, version: number): BuiltHart =>
  buildHart({ ident: `acme/app${line}/1.0.${version}/20260101120000` })

/** What clients know: what was acknowledged, and what polls found. */
interface Known {
  /** The highest version of each line whose promotion was acknowledged. */
  readonly acknowledged: number[]
  /** The revisions that promotions were answered with. */
  readonly revisions: number[]
  readonly stale: string[]
  answered: number
  refused: number
}

/** Uploads and promotes versions of a line one after another through nginx, until a signal. */
async function promoteOn(scene: Scene, line: number, known: Known, signal: AbortSignal): Promise<void> {
  const { client } = scene
  for (let version = 1; !signal.aborted; version += 1) {
    const hart = releaseOf(line, version)
    const ident = formatIdent(hart.ident)
    await repeat(signal, async () => {
      const { status } = await client.upload(hart)
      return status === 201 || status === 409
    })
    await repeat(signal, async () => {
      const { status, text } = await client.call('POST', '/api/v1/views/prod/promotions', {
        releases: [ident],
        reason: 'the test',
      })
      if (status !== 200 && status !== 201) return false
      const { revision, changed } = JSON.parse(text) as { revision: number; changed: boolean }
      if (changed) known.revisions.push(revision) // otherwise an earlier attempt was made, and not acknowledged
      known.acknowledged[line] = version
      return true
    })
  }
}

/** Repeats until it works. Failures are expected: nodes are killed meanwhile. */
async function repeat(signal: AbortSignal, act: () => Promise<boolean>): Promise<void> {
  while (!signal.aborted) {
    if (await act().catch(() => false)) return
    await pause(20)
  }
}

/** Polls each node directly, and compares with what was acknowledged before the poll. */
async function pollAll({ cluster }: Scene, known: Known, signal: AbortSignal): Promise<void> {
  await Promise.all(
    cluster.nodes.map(async ({ name, url }) => {
      for (let line = 0; !signal.aborted; line = (line + 1) % LINES) {
        const before = known.acknowledged[line] ?? 0
        const answer = await ask(url + pollPath(`app${line}`)).catch(() => undefined)
        if (answer === undefined || answer.status >= 500) known.refused += 1
        else {
          known.answered += 1
          const found = answer.status === 200 ? versionIn(answer.text) : 0
          if (found < before) known.stale.push(`${name} answered ${found} on app${line} after ${before}`)
        }
        await pause(2)
      }
    }),
  )
}

function versionIn(text: string): number {
  return Number(/"version":"1\.0\.(\d+)"/.exec(text)?.[1] ?? 0)
}

async function breakSomething(scene: Scene, fault: (typeof FAULTS)[number], at: number): Promise<void> {
  const { cluster, cables } = scene
  const node = cluster.nodes[at]
  const cable = cables[at]
  switch (fault) {
    case 'kill a node':
      node?.kill('SIGKILL')
      return
    case 'end listeners':
      for (let round = 0; round < 5; round += 1) {
        await cluster.postgres.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot listener'`,
        )
        await pause(100)
      }
      return
    case 'restart PostgreSQL':
      await cluster.postgres.stop('SIGQUIT')
      await cluster.postgres.restart()
      return
    case 'cut a node off':
      cable?.cut()
      await pause(HAS_ENDED_MS)
      cable?.mend()
      return
    case 'stop a node for a while':
      node?.kill('SIGSTOP')
      await pause(HAS_ENDED_MS)
      node?.kill('SIGCONT')
      return
    default:
      fault satisfies never
  }
}

test('whatever breaks, nothing acknowledged is lost and no answer is older', async (t) => {
  const scene = await startScene(t)
  const { cluster, client } = scene
  const [first] = cluster.nodes
  const receiver = await startReceiver(t)
  await client.makeOrigin()
  expect(
    await client.call('POST', '/api/v1/webhooks', {
      name: 'all',
      url: receiver.url,
      filter: { views: ['prod'] },
    }),
    201,
  )

  const known: Known = { acknowledged: [], revisions: [], stale: [], answered: 0, refused: 0 }
  const over = new AbortController()
  const load = [
    ...Array.from({ length: LINES }, (_, line) => promoteOn(scene, line, known, over.signal)),
    pollAll(scene, known, over.signal),
  ]
  const random = seeded(18)
  const rounds = runsOf(FAULTS.length)
  for (let round = 0; round < rounds; round += 1) {
    const fault = FAULTS[round < FAULTS.length ? round : Math.floor(random() * FAULTS.length)] ?? FAULTS[0]
    await breakSomething(scene, fault, Math.floor(random() * cluster.nodes.length))
    await client.whenAllAnswer()
    const before = known.revisions.length
    await until(`promotions are acknowledged after: ${fault}`, () => known.revisions.length > before, 60_000)
    t.strictSame(known.stale, [], fault)
  }
  over.abort()
  await Promise.all(load)

  t.ok(
    known.answered > 100 && known.revisions.length > LINES,
    JSON.stringify({ ...known, revisions: known.revisions.length }),
  )
  for (const { url } of cluster.nodes)
    for (const [line, version] of known.acknowledged.entries()) {
      const { text } = await ask(url + pollPath(`app${line}`))
      t.ok(versionIn(text) >= version, `app${line} on ${url}`)
    }
  t.equal(new Set(known.revisions).size, known.revisions.length, 'each promotion has a revision of its own')
  const select = (what: string, where: string) =>
    cluster.postgres.query(
      `select string_agg(${what}::text, ' ' order by sequence) from ledger where view_id = (select id from views where name = 'prod') and ${where}`,
      'depot',
    )
  const numbers = (await select('revision', 'revision is not null')).split(' ').map(Number)
  t.strictSame(
    numbers,
    numbers.map((_, index) => index + 1),
    'revisions rise by one',
  )
  const sequences = (await select('sequence', 'true')).split(' ').map(Number)
  const made = sequences.slice(1) // the webhook came after the view
  const last = made.at(-1) ?? 0
  await until('the webhook has the last entry', () => receiver.sequences().includes(last), 60_000)
  t.strictSame([...new Set(receiver.sequences())], made, 'webhooks arrive at least once, and first in order')

  await Promise.all(cluster.nodes.map((node) => node.stop()))
  // Fails unless the chain verifies, and views equal the fold of the ledger.
  await runCommand(['verify'], {
    DEPOT_DATA: first?.folder ?? '',
    DEPOT_DATABASE_URL: cluster.postgres.url.replace(/postgres$/, 'depot'),
    DEPOT_BLOBS: `fs:${join(cluster.folder, 'blobs')}`,
    DEPOT_SECRET_KEY: '5'.repeat(64),
  })
})
