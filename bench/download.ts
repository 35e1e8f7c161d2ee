import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { formatIdent, hartFileName } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Limit, Results } from './results.ts'
import { makeIncompressible } from './fillings/harts.ts'
import { getRequest, readAll } from './clients/load.ts'
import { checksumOf, introduce, TARGET, TOKEN, upload } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { hasNginx, startNginx } from './servers/nginx.ts'
import { forgetPeakMemory, memoryOf, startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// Measures the cost of a download, against nginx with sendfile, which does not copy the bytes into its
// memory.

const SIZE_MB = 256
const QUICK_SIZE_MB = 64
const MAX_GROWTH_MB = 64
/** The downloads of a fleet that updates: many at once, of a smaller package. */
const FLEET = 300
const QUICK_FLEET = 100
const FLEET_SIZE_MB = 16
const MAX_FLEET_GROWTH_MB = 256
const MB = 1024 * 1024
const HAB = { accept: '*/*', 'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)` }

interface Sample {
  readonly cpuMs: number
  readonly wallMs: number
}

export async function measureDownload({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const sizeMb = isQuick ? QUICK_SIZE_MB : SIZE_MB
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  const hart = makeIncompressible(join(scratch.path, 'spare.hart'), {
    name: 'random',
    secretKey: await introduce(depot.port),
    sizeBytes: sizeMb * MB,
    metadata: 'first',
  })
  await upload(depot.port, hart.ident, { path: hart.path, checksum: await checksumOf(hart.path) })
  const fileName = hartFileName(hart.ident, TARGET)
  await rename(hart.path, join(scratch.path, fileName))
  const { size } = await stat(join(scratch.path, fileName))
  const fromDepot = getRequest(
    `/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=${TARGET}`,
    HAB,
    'close',
  )
  const fromNginx = getRequest(`/${fileName}`, HAB, 'close')

  const limits: Limit[] = []
  await download(depot, fromDepot, size)
  const before = memoryOf(depot.pid)
  forgetPeakMemory(depot.pid)
  const alone = await sampleAlone(isQuick ? 1 : 3, () => download(depot, fromDepot, size))
  const after = memoryOf(depot.pid)
  if (before !== undefined && after !== undefined) {
    limits.push(await measureFleet(depot, scratch.path, isQuick ? QUICK_FLEET : FLEET))
    limits.push({
      name: `memory of a download of ${sizeMb} MB: growth`,
      unit: 'MB',
      value: (after.peakBytes - before.bytes) / MB,
      max: MAX_GROWTH_MB,
    })
  }
  if (!hasNginx()) {
    const seconds = spreadOf(alone.map((sample) => sample.cpuMs)).median / 1000
    return {
      measurements: [],
      limits,
      missing: [
        `download against nginx: nginx is not installed; the depot used ${seconds.toFixed(2)} s of processor for ${sizeMb} MB`,
      ],
    }
  }

  await using nginx = await startNginx(scratch.path, { 'X-Filename': fileName })
  await download(nginx, fromNginx, size)
  const samples = await byTurns(isQuick ? 4 : 15, {
    depot: () => download(depot, fromDepot, size),
    yardstick: () => download(nginx, fromNginx, size),
  })
  const goals: Record<string, number> = { 'processor ms': 4, ms: 1.11 }
  const measurement = (unit: string, of: (sample: Sample) => number) => ({
    name: `download of ${sizeMb} MB`,
    unit,
    depot: spreadOf(samples.depot.map(of)),
    yardstick: { name: 'nginx, sendfile', ...spreadOf(samples.yardstick.map(of)) },
    ...(goals[unit] !== undefined && { goal: goals[unit] }),
  })
  return {
    measurements: [
      measurement('processor ms', (sample) => sample.cpuMs),
      measurement('ms', (sample) => sample.wallMs),
    ],
    limits,
    missing: [],
  }
}

/** Measures the memory of many downloads at once, each read as fast as possible. */
async function measureFleet(depot: ServerProcess, folder: string, fleet: number): Promise<Limit> {
  const hart = makeIncompressible(join(folder, 'fleet.hart'), {
    name: 'fleet',
    secretKey: await introduce(depot.port, 'fleet'),
    sizeBytes: FLEET_SIZE_MB * MB,
    metadata: 'first',
  })
  await upload(depot.port, hart.ident, { path: hart.path, checksum: await checksumOf(hart.path) })
  const request = getRequest(
    `/v1/depot/pkgs/${formatIdent(hart.ident)}/download?target=${TARGET}`,
    HAB,
    'close',
  )
  const before = memoryOf(depot.pid)?.bytes ?? Number.NaN
  forgetPeakMemory(depot.pid)
  await Promise.all(Array.from({ length: fleet }, () => readAll(depot.port, request)))
  const growth = ((memoryOf(depot.pid)?.peakBytes ?? Number.NaN) - before) / MB
  return {
    name: `memory of ${fleet} downloads of ${FLEET_SIZE_MB} MB at once: growth`,
    unit: 'MB',
    value: growth,
    max: MAX_FLEET_GROWTH_MB,
  }
}

async function download(server: ServerProcess, request: Buffer, sizeBytes: number): Promise<Sample> {
  const before = await server.cpuMs()
  const start = performance.now()
  const received = await readAll(server.port, request)
  const wallMs = performance.now() - start
  if (received < sizeBytes) throw new Error(`a download had ${received} bytes, not ${sizeBytes}`)
  return { cpuMs: (await server.cpuMs()) - before, wallMs }
}

async function sampleAlone(rounds: number, take: () => Promise<Sample>): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = 0; round < rounds; round += 1) samples.push(await take())
  return samples
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureDownload({ isQuick: process.argv.includes('--quick') })))
