import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { test } from 'tap'
import type { Test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { startS3Gateway } from '../../scripts/s3-gateway.ts'
import type { S3Gateway } from '../../scripts/s3-gateway.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { ClusterClient, expect, pollPath } from '../support/http/cluster-client.ts'
import { runsOf } from '../support/random.ts'
import { until } from '../support/until.ts'

// Nodes whose packages are in S3, while Ceph's gateway is killed and while the bucket is full. Uploads,
// promotions and polls go on all the time. Needs Debian's packages: see scripts/s3-gateway.ts.

const BUCKET = 'packages'
const LINES = 3
const MAX_OBJECTS = 20
const LIMIT_MS = 60_000
const PROMOTED = 'acme/app/1.0.0/20260101120000'
const isInstalled = spawnSync('radosgw', ['--version']).status === 0

/** What clients were answered since the test began. */
interface Known {
  readonly published: BuiltHart[]
  /** The releases whose last upload was refused, with the answer as `status code`. */
  readonly refused: Map<BuiltHart, string>
  refusals: number
  promotions: number
  polls: number
  /** What must not happen: answers other than those above. */
  readonly unexpected: string[]
}

interface Scene {
  readonly gateway: S3Gateway
  readonly cluster: LocalCluster
  readonly client: ClusterClient
  readonly known: Known
  readonly signal: AbortSignal
}

async function startCluster(t: Test, gateway: S3Gateway): Promise<LocalCluster> {
  const { endpoint, region, accessKeyId, secretAccessKey, environment } = gateway
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
  s3.destroy()
  const cluster = await LocalCluster.start({
    environment: { ...environment, DEPOT_BLOBS: `s3://${BUCKET}/depot`, DEPOT_SIGNATURES: 'verify' },
  })
  t.teardown(() => cluster.close())
  return cluster
}

/** Uploads versions of a package one after another. A refused upload is repeated until it is published. */
async function uploadOn({ client, known, signal }: Scene, line: number): Promise<void> {
  for (let version = 1; !signal.aborted; version += 1) {
    const hart = buildHart({ ident: `acme/line${line}/1.0.${version}/20260101120000` })
    while (!signal.aborted) {
      const { status, text } = await client.upload(hart)
      if (status === 201 || status === 409) {
        known.published.push(hart)
        known.refused.delete(hart)
        break
      }
      known.refusals += 1
      known.refused.set(hart, `${status} ${/"code":"(\w+)"/.exec(text)?.[1]}`)
      await pause(50)
    }
  }
}

/** Promotes and demotes one release in turn. */
async function promoteOn({ client, known, signal }: Scene): Promise<void> {
  while (!signal.aborted)
    for (const change of ['promotions', 'demotions']) {
      const body = { releases: [PROMOTED], reason: 'the test' }
      const { status, text } = await client.call('POST', `/api/v1/views/prod/${change}`, body)
      if (status === 200 || status === 201) known.promotions += 1
      else known.unexpected.push(`${change}: ${status} ${text}`)
    }
}

async function pollOn({ known, signal }: Scene, url: string): Promise<void> {
  for (; !signal.aborted; await pause(5)) {
    const { status, text } = await ask(url + pollPath('app'))
    if (status === 200 || status === 404) known.polls += 1
    else known.unexpected.push(`poll: ${status} ${text}`)
  }
}

/** Resolves when that many more of each have been answered. */
async function more({ known }: Scene, wanted: Partial<Record<'refusals' | 'published', number>>) {
  const counts = () => ({ ...known, published: known.published.length })
  const before = counts()
  const goals = Object.entries({ promotions: 5, polls: 50, ...wanted })
  await until(
    `there are more: ${JSON.stringify(wanted)}`,
    () =>
      goals.every(([name, count]) => {
        const key = name as 'refusals' | 'published' | 'promotions' | 'polls'
        return counts()[key] >= before[key] + count
      }),
    LIMIT_MS,
  )
}

test('packages in S3', { skip: !isInstalled && "Ceph's gateway is not installed" }, async (whole) => {
  const gateway = await startS3Gateway()
  whole.teardown(() => gateway.stop())
  // It takes seconds under load, so it is set before the load begins.
  const quota = (...args: readonly string[]) =>
    gateway.admin('quota', ...args, '--quota-scope=bucket', '--uid=depot')
  await quota('set', `--max-objects=${MAX_OBJECTS}`)
  await quota('enable')
  const cluster = await startCluster(whole, gateway)
  const client = new ClusterClient(cluster)
  await client.makeOrigin()
  expect(await client.upload(buildHart({ ident: PROMOTED })), 201)
  const known: Known = {
    published: [],
    refused: new Map(),
    refusals: 0,
    promotions: 0,
    polls: 0,
    unexpected: [],
  }
  const over = new AbortController()
  const scene: Scene = { gateway, cluster, client, known, signal: over.signal }
  const load = Promise.all([
    ...Array.from({ length: LINES }, (_, line) => uploadOn(scene, line)),
    promoteOn(scene),
    ...cluster.nodes.map(({ url }) => pollOn(scene, url)),
  ])

  await whole.test('while the bucket is full, uploads get 507 and the rest goes on', async (t) => {
    const isFull = () =>
      known.refused.size === LINES && [...known.refused.values()].every((each) => each === '507 storage_full')
    await until('all uploads are refused because the bucket is full', isFull, LIMIT_MS)
    await more(scene, { refusals: LINES * 2 })
    t.ok(isFull(), 'it stays full')
    for (const { ident } of known.refused.keys())
      for (const { url } of cluster.nodes)
        for (const path of ['', '/download'])
          t.match(
            await ask(`${url}/v1/depot/pkgs/${formatIdent(ident)}${path}`),
            { status: 404 },
            'what was refused is not published',
          )
    await quota('disable')
    await gateway.kill() // it caches quotas
    await gateway.start()
    await more(scene, { published: LINES * 2 })
  })

  await whole.test('while the gateway is away, uploads get 503 and the rest goes on', async (t) => {
    for (let round = 0; round < runsOf(2); round += 1) {
      await gateway.kill()
      await more(scene, { refusals: LINES * 2 })
      t.strictSame([...new Set(known.refused.values())], ['503 storage_unavailable'])
      for (const { url } of cluster.nodes)
        t.match(await ask(`${url}/readyz`), { status: 200, text: /"code":"storage"/ })
      await gateway.start()
      await more(scene, { published: LINES * 2 })
    }
  })

  over.abort()
  await load
  whole.strictSame(known.unexpected, [])
  const [first] = cluster.nodes
  for (const hart of known.published) {
    const path = `/v1/depot/pkgs/${formatIdent(hart.ident)}/download`
    const { status, body } = await ask(first?.url + path)
    if (status !== 200 || !body.equals(hart.bytes)) whole.fail(`${formatIdent(hart.ident)}: ${status}`)
  }
})
