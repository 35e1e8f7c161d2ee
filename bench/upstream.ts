import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair } from '../src/hart/origin-key.ts'
import { checkAll, DEPENDENCIES, HAB, install, publishAll } from './install.ts'
import type { Sample } from './install.ts'
import { getRequest } from './clients/load.ts'
import type { HartFile } from './fillings/harts.ts'
import { introduce, ORIGIN, TOKEN, upload } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// Measures the downloads of a first install (install.ts) through a depot that has nothing, which fetches each
// package from upstream, checks it and stores it, and through one that has everything. The yardsticks are the
// same install from upstream itself, and uploads of the same packages. Processor time is that of the server that the client talks to.

const ROUNDS = 12
const MB = 1024 * 1024

export async function measureUpstream(): Promise<Results> {
  await using scratch = await openScratch()
  await using upstream = await startServer('depot.ts', [join(scratch.path, 'upstream'), TOKEN])
  const keys = { app: generateKeyPair(ORIGIN, Date.now()), core: generateKeyPair('core', Date.now()) }
  const harts: (HartFile & { checksum: string })[] = []
  const keep = async (hart: HartFile & { checksum: string }) => {
    const path = join(scratch.path, `${harts.length}.hart`)
    await copyFile(hart.path, path)
    harts.push({ ...hart, path })
  }
  const published = await publishAll(upstream.port, scratch.path, keep, keys)
  const steps = published.filter(({ url }) => !url.includes('/latest')) // which a refresh would bring
  const requests = steps.map(({ url }) => getRequest(url, HAB, 'close'))
  const startSite = async (folder: string) =>
    startServer('depot.ts', [folder, TOKEN], {
      DEPOT_UPSTREAM: `http://127.0.0.1:${upstream.port}`,
      DEPOT_UPSTREAM_ORIGINS: `core,${ORIGIN}`,
    })
  await using warm = await startSite(join(scratch.path, 'warm'))
  const sizeBytes = await checkAll(warm, steps)

  const inEmpty = async (act: (port: ServerProcess) => Promise<Sample>, start = startSite) => {
    const folder = join(scratch.path, 'cold')
    await rm(folder, { recursive: true, force: true })
    await using cold = await start(folder)
    return await act(cold)
  }
  const samples = await byTurns(ROUNDS, {
    upstream: () => install(upstream, requests),
    warm: () => install(warm, requests),
    cold: () => inEmpty((cold) => install(cold, requests)),
    uploaded: () =>
      inEmpty(
        async (depot) => {
          await introduce(depot.port, ORIGIN, keys.app)
          await introduce(depot.port, 'core', keys.core)
          const before = await depot.cpuMs()
          const begun = performance.now()
          for (const hart of harts) await upload(depot.port, hart.ident, hart)
          return { cpuMs: (await depot.cpuMs()) - before, wallMs: performance.now() - begun }
        },
        (folder) => startServer('depot.ts', [folder, TOKEN]),
      ),
  })
  const what = `${DEPENDENCIES + 1} packages, ${(sizeBytes / MB).toFixed(0)} MB`
  const itself = ['from upstream itself', samples.upstream] as const
  const rows = (
    name: string,
    of: readonly Sample[],
    [yardstick, against]: readonly [string, readonly Sample[]],
  ): Measurement[] =>
    (
      [
        ['processor ms', ({ cpuMs }: Sample) => cpuMs],
        ['ms', ({ wallMs }: Sample) => wallMs],
      ] as const
    ).map(([unit, pick]) => ({
      name: `first install of ${what}, through a depot that ${name}`,
      unit,
      depot: spreadOf(of.map(pick)),
      yardstick: { name: yardstick, ...spreadOf(against.map(pick)) },
    }))
  return {
    measurements: [
      ...rows('has nothing', samples.cold, itself),
      ...rows('has nothing', samples.cold, ['upload into an empty depot', samples.uploaded]),
      ...rows('has them', samples.warm, itself),
    ],
    limits: [],
    missing: [],
  }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureUpstream()))
