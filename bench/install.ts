import { join } from 'node:path'
import { HartDigest } from '../src/hart/digest.ts'
import { generateKeyPair } from '../src/hart/origin-key.ts'
import type { SecretKey } from '../src/hart/origin-key.ts'
import { formatIdent } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { makeIncompressible } from './fillings/harts.ts'
import type { HartFile } from './fillings/harts.ts'
import { ask, getRequest, readAll } from './clients/load.ts'
import { checksumOf, introduce, ORIGIN, promote, TARGET, TOKEN, upload } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { hasNginx, startNginx } from './servers/nginx.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'
import { startBare } from './servers/record.ts'

// Measures `hab pkg install` on an empty machine (habitat-today.md 2.1): `latest` in a channel, the package
// and its dependencies one after another, then the key of each signer, each on a new connection. The
// yardsticks are node:http and nginx, which send the same bodies from files at the same URLs.

const VIEW = 'delivered'
export const DEPENDENCIES = 40
const MIN_BYTES = 200_000
const MAX_BYTES = 2_000_000
const APP_BYTES = 1_000_000
const WARMING_ROUNDS = 15
const ROUNDS = 25
const MB = 1024 * 1024
export const HAB = { accept: '*/*', 'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)` }

/** One of an install's requests. */
export interface Step {
  readonly url: string
  /** The checksum of a download. */
  readonly checksum?: string
}

export interface Sample {
  readonly cpuMs: number
  readonly wallMs: number
}

export async function measureInstall(): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  const steps = await publishAll(depot.port, scratch.path)
  const mirror = join(scratch.path, 'mirror')
  await using bare = await startBare(
    depot.port,
    steps.map((step) => step.url),
    mirror,
  )
  // Headers as long as the depot's. nginx adds its own `ETag`.
  await using nginx = hasNginx()
    ? await startNginx(mirror, { 'X-Filename': `core-library-00-1.0.0-20260101120000-${TARGET}.hart` })
    : undefined

  const servers = { depot, bare, ...(nginx !== undefined && { nginx }) }
  let sizeBytes = 0
  for (const server of Object.values(servers)) sizeBytes = await checkAll(server, steps)
  const requests = steps.map((step) => getRequest(step.url, HAB, 'close'))
  const sides = Object.fromEntries(
    Object.entries(servers).map(([side, server]) => [side, () => install(server, requests)]),
  ) as Record<keyof typeof servers, () => Promise<Sample>>
  await byTurns(WARMING_ROUNDS, sides) // warm up, so that the code is compiled
  const samples = await byTurns(ROUNDS, sides)

  const name = `install of ${DEPENDENCIES + 1} packages, ${(sizeBytes / MB).toFixed(0)} MB`
  const measurementsAgainst = (yardstick: string, taken: readonly Sample[]): Measurement[] =>
    [
      { unit: 'processor ms', of: (sample: Sample) => sample.cpuMs },
      { unit: 'ms', of: (sample: Sample) => sample.wallMs },
    ].map(({ unit, of }) => ({
      name,
      unit,
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: yardstick, ...spreadOf(taken.map(of)) },
    }))
  const measurements = measurementsAgainst('bare node:http', samples.bare)
  if (nginx === undefined)
    return { measurements, limits: [], missing: ['install against nginx: nginx is not installed'] }
  return {
    measurements: [...measurements, ...measurementsAgainst('nginx, sendfile', samples.nginx)],
    limits: [],
    missing: [],
  }
}

export async function install(server: ServerProcess, requests: readonly Buffer[]): Promise<Sample> {
  const before = await server.cpuMs()
  const start = performance.now()
  for (const request of requests) await readAll(server.port, request)
  const wallMs = performance.now() - start
  return { cpuMs: (await server.cpuMs()) - before, wallMs }
}

/** Does every step and checks the checksums of downloads. Returns the size of all bodies. */
export async function checkAll(server: ServerProcess, steps: readonly Step[]): Promise<number> {
  let sizeBytes = 0
  for (const { url, checksum } of steps) {
    const { body } = await ask(server.port, getRequest(url, HAB, 'close'))
    sizeBytes += body.length
    if (checksum === undefined) continue
    const digest = new HartDigest()
    digest.update(body)
    if (digest.finish().checksum !== checksum) throw new Error(`${url} was answered with other bytes`)
  }
  return sizeBytes
}

/**
 * Publishes an app of one origin, and its dependencies from another: many small packages and few large ones.
 * Returns the requests of an install. Tells `onPublished` of each package, whose file is used again.
 */
export async function publishAll(
  port: number,
  folder: string,
  onPublished: (hart: HartFile & { checksum: string }) => Promise<void> = async () => undefined,
  keys = { app: generateKeyPair(ORIGIN, Date.now()), core: generateKeyPair('core', Date.now()) },
): Promise<Step[]> {
  const appKey = await introduce(port, ORIGIN, keys.app)
  const coreKey = await introduce(port, 'core', keys.core)
  const downloads: Step[] = []
  const publish = async (hart: HartFile) => {
    const checksum = await checksumOf(hart.path)
    await upload(port, hart.ident, { path: hart.path, checksum })
    await onPublished({ ...hart, checksum })
    downloads.push({ url: `/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=${TARGET}`, checksum })
  }
  const path = join(folder, 'made.hart')
  const libraries = Array.from({ length: DEPENDENCIES }, (_, i) => {
    const sizeBytes = Math.round(MIN_BYTES * (MAX_BYTES / MIN_BYTES) ** (i / (DEPENDENCIES - 1)))
    return { name: `library-${String(i).padStart(2, '0')}`, sizeBytes }
  })
  const tdeps = []
  for (const library of libraries) {
    const hart = makeIncompressible(path, { ...library, secretKey: coreKey, metadata: 'first' })
    await publish(hart)
    tdeps.push(hart.ident)
  }
  const app = makeIncompressible(path, {
    name: 'app',
    sizeBytes: APP_BYTES,
    secretKey: appKey,
    metadata: 'first',
    tdeps,
  })
  await publish(app)
  await promote(port, app.ident, VIEW)
  return [
    { url: `/v1/depot/channels/${ORIGIN}/${VIEW}/pkgs/app/latest?target=${TARGET}` },
    ...downloads.toReversed(),
    keyOf(appKey),
    keyOf(coreKey),
  ]
}

function keyOf({ origin, revision }: SecretKey): Step {
  return { url: `/v1/depot/origins/${origin}/keys/${revision}` }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureInstall()))
