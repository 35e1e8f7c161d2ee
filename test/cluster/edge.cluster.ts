import { mkdtemp, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
import { freePort } from '../support/free-port.ts'
import { ClusterClient, pollPath } from '../support/http/cluster-client.ts'
import { wrongAnswers } from '../support/http/edge.ts'
import { startNginx } from '../support/http/proxy-programs.ts'
import { run } from '../support/run-cli.ts'
import type { Running } from '../support/run-cli.ts'
import { until } from '../support/until.ts'

// The edge before two nodes: nginx with the configuration that `nginx-conf` prints, and files that
// `materialize` writes, while nodes are killed. Needs nginx.

const LIMIT_MS = 60_000
const POLL = pollPath('app')

interface Edge {
  readonly cluster: LocalCluster
  /** Where nginx listens. */
  readonly url: string
  /** The folder of the files. */
  readonly folder: string
  /** The command that writes them. */
  readonly following: Running
}

/** What clients of the edge know. */
interface Known {
  /** The version whose promotion was acknowledged last. */
  acknowledged: number
  readonly published: BuiltHart[]
  polls: number
  downloads: number
  /** Answers that must not be. */
  readonly wrong: string[]
}

async function startEdge(t: Test): Promise<Edge> {
  const cluster = await LocalCluster.start({
    environment: { DEPOT_SIGNATURES: 'verify', DEPOT_ACCEL_LOCATION: '/_packages' },
  })
  t.teardown(() => cluster.close())
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const direct = `127.0.0.1:${await freePort()}`
  const port = await startNginx(t, async (free) =>
    runCommand(
      [
        'nginx-conf',
        '--files',
        folder,
        '--blobs',
        join(cluster.folder, 'blobs'),
        '--listen',
        `127.0.0.1:${free}`,
        '--direct',
        direct,
        ...cluster.nodes.flatMap((node) => ['--upstream', `127.0.0.1:${node.port}`]),
      ],
      {},
    ),
  )
  const following = run(['materialize', '--to', folder, '--follow', '--url', `http://${direct}`])
  t.teardown(async () => void following.process.kill('SIGKILL'))
  return { cluster, folder, following, url: `http://127.0.0.1:${port}` }
}

/** Uploads and promotes one version after another, each until it is acknowledged. */
async function publishOn({ cluster, url }: Edge, known: Known, signal: AbortSignal): Promise<void> {
  const client = new ClusterClient({ url, nodes: cluster.nodes, adminToken: cluster.adminToken })
  const isDone = async (hart: BuiltHart) => {
    const { status } = await client.upload(hart)
    const change = { releases: [formatIdent(hart.ident)], reason: 'the test' }
    return (
      (status === 201 || status === 409) &&
      (await client.call('POST', '/api/v1/views/prod/promotions', change)).status === 200
    )
  }
  for (let version = 1; !signal.aborted; version += 1) {
    const hart = buildHart({ ident: `acme/app/1.0.${version}/20260101120000` })
    while (!signal.aborted && !(await isDone(hart).catch(() => false))) await pause(20)
    if (signal.aborted) return
    known.published.push(hart)
    known.acknowledged = version
    await pause(20)
  }
}

async function versionAt(url: string): Promise<number> {
  const { status, text } = await ask(url + POLL)
  return status === 200 ? Number(/"version":"1\.0\.(\d+)"/.exec(text)?.[1]) : -status
}

/** Polls without a token: each poll is answered, and never with an older version than the one before. */
async function pollOn({ url }: Edge, known: Known, signal: AbortSignal): Promise<void> {
  for (let before = 0; !signal.aborted; await pause(10)) {
    const found = await versionAt(url)
    known.polls += 1
    if (found < before) known.wrong.push(`a poll was answered ${found} after ${before}`)
    else before = found
  }
}

/** Downloads what is published: each download has all bytes. */
async function downloadOn({ url }: Edge, known: Known, signal: AbortSignal): Promise<void> {
  for (let next = 0; !signal.aborted; await pause(20)) {
    const hart = known.published[(next += 1) % Math.max(1, known.published.length)]
    if (hart === undefined) continue
    const path = `/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=x86_64-linux`
    const { status, body, headers } = await ask(url + path)
    if (status === 503) continue // on a busy machine, both nodes may have lost their leases
    known.downloads += 1
    if (status !== 200 || !body.equals(hart.bytes) || headers['x-filename'] === undefined)
      known.wrong.push(`a download was answered ${status}`)
  }
}

/** Sends wrong tokens and right ones, which nodes answer, and not files. */
async function askWithTokens({ cluster, url }: Edge, known: Known, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; await pause(20)) {
    const right = await ask(url + POLL, { headers: { authorization: `Bearer ${cluster.adminToken}` } })
    if (right.status !== 503 && right.headers['depot-revision'] === undefined)
      known.wrong.push(`a poll with a token was answered ${right.status}, not by a node`)
    const wrong = await ask(url + POLL, { headers: { authorization: 'Bearer wrong' } })
    if (![401, 429, 503].includes(wrong.status))
      known.wrong.push(`a poll with a wrong token was answered ${wrong.status}`)
  }
}

test('the edge before two nodes, while nodes are killed', async (t) => {
  const edge = await startEdge(t)
  const { cluster, folder, following, url } = edge
  await new ClusterClient(cluster).makeOrigin()
  const known: Known = { acknowledged: 0, published: [], polls: 0, downloads: 0, wrong: [] }
  const over = new AbortController()
  const { signal } = over
  const publishing = publishOn(edge, known, signal)
  const file = join(folder, 'current/views/prod/now/acme/app,x86_64-linux')
  await until('the files answer', () => existsSync(file), LIMIT_MS)
  const load = [pollOn, downloadOn, askWithTokens].map((act) => act(edge, known, signal))
  const follows = async (what: string) => {
    const { acknowledged, polls, downloads } = known
    await until(
      `there is more of all ${what}`,
      () =>
        known.acknowledged > acknowledged + 3 && known.polls > polls + 20 && known.downloads > downloads + 5,
      LIMIT_MS,
    )
    const promoted = known.acknowledged
    await until(`the files follow ${what}`, async () => (await versionAt(url)) >= promoted, LIMIT_MS)
    t.strictSame(known.wrong, [], what)
  }
  await follows('at first')
  for (const node of cluster.nodes) {
    node.kill('SIGKILL')
    await follows(`after ${node.name} was killed`)
    await new ClusterClient(cluster).whenAllAnswer()
  }
  over.abort()
  await Promise.all([publishing, ...load])
  t.strictSame(known.wrong, [])

  const [first] = cluster.nodes
  const promoted = known.acknowledged
  for (const node of cluster.nodes) node.kill('SIGSTOP')
  t.ok((await versionAt(url)) >= promoted, 'the files answer while no node does')
  for (const node of cluster.nodes) node.kill('SIGCONT')
  await new ClusterClient(cluster).whenAllAnswer()
  const isRight = async () => (await wrongAnswers(folder, first?.url ?? '')).length === 0
  await until('each file is what a node answers', isRight, LIMIT_MS)
  following.process.kill('SIGTERM')
  t.match(await following.ended, { code: 143 }, 'the command has gone on all the time')
})
