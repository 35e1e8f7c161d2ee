import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { startS3Gateway } from '../scripts/s3-gateway.ts'
import type { S3Gateway } from '../scripts/s3-gateway.ts'
import { packHart } from '../src/hart/pack.ts'
import { formatIdent, makeIdent } from '../src/package/ident.ts'
import type { Ident } from '../src/package/ident.ts'
import { makeIncompressible } from './fillings/harts.ts'
import { ORIGIN, TARGET, TOKEN, checksumOf, introduce, upload } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures uploads and downloads of packages that the depot keeps in S3, on Ceph's gateway, against `rclone`
// on the same gateway. An upload through the depot is also received on the disk, hashed twice, read and
// published.

const BUCKET = 'bench'
const LARGE_MB = 64
const SMALL = 200
/** Clients of the depot, and transfers of rclone. */
const PARALLEL = 8
const ROUNDS = 10
const QUICK_ROUNDS = 2

interface Cost {
  readonly cpuMs: number
  readonly ms: number
}

interface Package {
  readonly ident: Ident
  readonly path: string
  readonly checksum: string
}

export async function measureS3({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const absent = ['radosgw', 'rclone']
    .filter((program) => !has(program))
    .map((program) => `S3: ${program} is not installed`)
  if (absent.length > 0) return { measurements: [], limits: [], missing: absent }
  const gateway = await startS3Gateway()
  try {
    return await measureOn(gateway, isQuick ? QUICK_ROUNDS : ROUNDS)
  } finally {
    await gateway.stop()
  }
}

async function measureOn(gateway: S3Gateway, rounds: number): Promise<Results> {
  await makeBucket(gateway)
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN], {
    ...gateway.environment,
    DEPOT_BLOBS: `s3://${BUCKET}/depot`,
  })
  const secretKey = await introduce(depot.port)
  const large = await known(
    makeIncompressible(join(scratch.path, 'large.hart'), {
      name: 'large',
      secretKey,
      sizeBytes: LARGE_MB * 1024 * 1024,
      metadata: 'first',
    }),
  )
  const folder = join(scratch.path, 'small')
  mkdirSync(folder)
  const small = await Promise.all(
    Array.from({ length: SMALL }, async (_, number) => {
      const ident = makeIdent({
        origin: ORIGIN,
        name: `small-${number}`,
        version: '1.0.0',
        release: '20260101120000',
      })
      const path = join(folder, `${number}.hart`)
      const files = [{ path: 'bin/app', content: `echo ${number}` }]
      writeFileSync(path, packHart({ ident, target: TARGET, secretKey, files }))
      return known({ ident, path })
    }),
  )
  const alone = join(scratch.path, 'large')
  mkdirSync(alone)
  copyFileSync(large.path, join(alone, 'large.hart'))
  const got = join(scratch.path, 'got')
  const rclone = rcloneOf(gateway)
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })
  const measurements: Measurement[] = []
  const measure = async (
    name: string,
    sides: { depot: () => Promise<Cost>; rclone: () => Promise<Cost> },
  ): Promise<void> => {
    await sides.depot() // warms up
    await sides.rclone()
    const taken = await byTurns(rounds, sides)
    for (const [unit, of] of [
      ['ms', ({ ms }: Cost) => ms],
      ['processor ms', ({ cpuMs }: Cost) => cpuMs],
    ] as const)
      measurements.push({
        name,
        unit,
        depot: spreadOf(taken.depot.map(of)),
        yardstick: { name: 'rclone', ...spreadOf(taken.rclone.map(of)) },
      })
  }
  try {
    for (const [what, packages, from] of [
      [`${LARGE_MB} MB`, [large], alone],
      [`${SMALL} packages of 1 KB`, small, folder],
    ] as const) {
      await measure(`upload of ${what} to S3`, {
        async depot() {
          await Promise.all(packages.map((each) => remove(agent, depot.port, each)))
          return costOf(depot, () => inParallel(packages, (each) => upload(depot.port, each.ident, each)))
        },
        async rclone() {
          await rclone('purge', `s3:${BUCKET}/rclone`).catch(() => undefined) // there is nothing the first time
          return rclone('copy', from, `s3:${BUCKET}/rclone`)
        },
      })
      await measure(`download of ${what} from S3`, {
        depot: () => costOf(depot, () => inParallel(packages, (each) => download(agent, depot.port, each))),
        async rclone() {
          rmSync(got, { recursive: true, force: true })
          return rclone('copy', `s3:${BUCKET}/rclone`, got)
        },
      })
    }
  } finally {
    agent.destroy()
  }
  return { measurements, limits: [], missing: [] }
}

async function makeBucket({ endpoint, region, accessKeyId, secretAccessKey }: S3Gateway): Promise<void> {
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  client.destroy()
}

async function known({ ident, path }: Pick<Package, 'ident' | 'path'>): Promise<Package> {
  return { ident, path, checksum: await checksumOf(path) }
}

/** Measures the wall time of an act, and the processor time of the depot meanwhile. */
async function costOf(depot: ServerProcess, act: () => Promise<void>): Promise<Cost> {
  const before = await depot.cpuMs()
  const begun = performance.now()
  await act()
  const ms = performance.now() - begun
  return { ms, cpuMs: (await depot.cpuMs()) - before }
}

async function inParallel<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await act(item)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}

/** Returns a function that runs rclone with as many parts and transfers as the depot, and measures it. */
function rcloneOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Gateway) {
  const env = {
    PATH: process.env['PATH'], // and nothing about AWS
    LC_ALL: 'C',
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_S3_TYPE: 's3',
    RCLONE_CONFIG_S3_PROVIDER: 'Ceph',
    RCLONE_CONFIG_S3_ENDPOINT: endpoint,
    RCLONE_CONFIG_S3_REGION: region,
    RCLONE_CONFIG_S3_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: secretAccessKey,
    RCLONE_S3_CHUNK_SIZE: '8Mi',
    RCLONE_S3_UPLOAD_CUTOFF: '8Mi',
    RCLONE_S3_UPLOAD_CONCURRENCY: '3',
    RCLONE_TRANSFERS: String(PARALLEL),
  }
  return async (...args: readonly string[]): Promise<Cost> => {
    const script = `TIMEFORMAT='%R %U %S'; time rclone --quiet "$@"`
    const { stderr } = await promisify(execFile)('bash', ['-c', script, 'bash', ...args], { env })
    const times = stderr.trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
    const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = times
    return { ms: wall * 1000, cpuMs: (user + system) * 1000 }
  }
}

async function remove(agent: Agent, port: number, { ident }: Package): Promise<void> {
  await ask(agent, { port, method: 'DELETE', path: `/v1/depot/pkgs/${formatIdent(ident)}` }, [204, 404])
}

async function download(agent: Agent, port: number, { ident }: Package): Promise<void> {
  await ask(agent, { port, method: 'GET', path: `/v1/depot/pkgs/${formatIdent(ident)}/download` }, [200])
}

/** Sends a request without a body, and reads the answer. Throws for other statuses. */
async function ask(
  agent: Agent,
  asked: { port: number; method: string; path: string },
  statuses: readonly number[],
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const headers = { authorization: `Bearer ${TOKEN}` }
  const outgoing = request({ host: '127.0.0.1', agent, headers, ...asked })
  outgoing.on('error', reject)
  outgoing.on('response', (response) => {
    response.resume()
    response.on('error', reject)
    if (statuses.includes(response.statusCode ?? 0)) response.on('end', resolve)
    else reject(new Error(`${asked.method} ${asked.path} was answered ${response.statusCode}`))
  })
  outgoing.end()
  await promise
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureS3({ isQuick: process.argv.includes('--quick') })))
