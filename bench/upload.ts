import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Limit, Results } from './results.ts'
import { makeCompressed, makeIncompressible, makeManyFiles, payloadOffsetOf } from './fillings/harts.ts'
import type { HartFile } from './fillings/harts.ts'
import { checksumOf, introduce, TOKEN, uploadPath } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { forgetPeakMemory, memoryOf, proportionalMemoryOf, startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures an upload from the socket to the disk, against programs that do the unavoidable work: `cat`
// writes, `b2sum` computes one of the two hashes, and `xz` or the depot's decoder unpacks the archive if its
// metadata is last. `curl` sends the file, because it needs the least of the shared cores. Both write a new
// file.

const SIZE_MB = 256
const QUICK_SIZE_MB = 64
const MAX_TIME = 1 / 0.8
const MAX_GROWTH_MB = 64
const MAX_PSS_MB = 200
const MB = 1024 * 1024
const ROUNDS = 10
const MANY_FILES_MB = 150
/** Packs to more than 50 MB. */
const ONE_BLOCK_MB = 210
const QUICK_MANY_FILES_MB = 20
const DECODE = fileURLToPath(new URL('yardsticks/decode.ts', import.meta.url))

type Decoder = 'decoder' | 'xz -dc'

interface Sample {
  readonly cpuMs: number
  readonly wallMs: number
}

export async function measureUpload({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const absent = ['curl', 'b2sum']
    .filter((program) => !has(program))
    .map((program) => `upload: ${program} is not installed`)
  if (absent.length > 0) return { measurements: [], limits: [], missing: absent }
  const sizeMb = isQuick ? QUICK_SIZE_MB : SIZE_MB
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  const secretKey = await introduce(depot.port)
  const small = makeIncompressible(join(scratch.path, 'small.hart'), {
    name: 'small',
    secretKey,
    sizeBytes: MB,
    metadata: 'last',
  })
  // Warm up, so that the code is compiled and the scanner's thread runs.
  for (let i = 0; i < 5; i += 1)
    await uploadTo(depot, { ...small, checksum: await checksumOf(small.path), again: i > 0 })

  const measurements: Measurement[] = []
  const limits: Limit[] = []
  const missing: string[] = []
  const measure = async (kind: string, hart: HartFile, rounds: number, decoder?: Decoder) => {
    const { growthMb, ...taken } = await measureHart(depot, hart, {
      rounds,
      decoder,
      copy: join(scratch.path, 'copy'),
    })
    const name = `upload of ${kind}`
    const yardstick = ['cat + sync + b2sum', ...(decoder === undefined ? [] : [decoder])].join(' + ')
    const measurement = (unit: string, of: (sample: Sample) => number) => ({
      name,
      unit,
      depot: spreadOf(taken.depot.map(of)),
      yardstick: { name: yardstick, ...spreadOf(taken.yardstick.map(of)) },
    })
    measurements.push(
      measurement('processor ms', (sample) => sample.cpuMs),
      { ...measurement('ms', (sample) => sample.wallMs), goal: MAX_TIME },
    )
    if (growthMb !== undefined)
      limits.push({ name: `memory of ${name}: growth`, unit: 'MB', value: growthMb, max: MAX_GROWTH_MB })
  }
  const sizeBytes = sizeMb * MB
  for (const metadata of ['first', 'last'] as const) {
    const hart = makeIncompressible(join(scratch.path, `${metadata}.hart`), {
      name: `random-${metadata}`,
      secretKey,
      sizeBytes,
      metadata,
    })
    await measure(
      `${sizeMb} MB, metadata ${metadata}`,
      hart,
      isQuick ? 2 : 5,
      metadata === 'last' ? 'decoder' : undefined,
    )
  }
  if (isQuick) missing.push('upload of a compressed program: not in a quick run')
  else if (!has('xz')) missing.push('upload of a compressed program: xz is not installed')
  else
    await measure(
      'a compressed program, metadata last',
      makeCompressed(join(scratch.path, 'program.hart'), secretKey, process.execPath),
      5,
      'decoder',
    )
  if (!has('xz')) missing.push('upload of many files: xz is not installed')
  else {
    const sizes = [
      { size: QUICK_MANY_FILES_MB },
      { size: MANY_FILES_MB },
      { size: ONE_BLOCK_MB, isOneBlock: true },
    ]
    for (const { size, isOneBlock = false } of isQuick ? sizes.slice(0, 1) : sizes) {
      const hart = makeManyFiles(join(scratch.path, `many-${size}.hart`), secretKey, {
        name: `many-${size}`,
        program: process.execPath,
        sizeBytes: size * MB,
        isOneBlock,
      })
      const packedMb = (statSync(hart.path).size / MB).toFixed(0)
      await measure(
        `${size} MB of many files in ${packedMb} MB${isOneBlock ? ' and one block' : ''}, metadata last`,
        hart,
        isQuick ? 3 : ROUNDS,
        'xz -dc',
      )
    }
  }
  const pssBytes = proportionalMemoryOf(depot.pid)
  if (pssBytes !== undefined)
    limits.push({ name: 'memory after uploads (PSS)', unit: 'MB', value: pssBytes / MB, max: MAX_PSS_MB })
  return { measurements, limits, missing }
}

async function measureHart(
  depot: ServerProcess,
  hart: HartFile,
  how: { rounds: number; decoder: Decoder | undefined; copy: string },
) {
  const checksum = await checksumOf(hart.path)
  const before = memoryOf(depot.pid)
  forgetPeakMemory(depot.pid)
  await uploadTo(depot, { ...hart, checksum, again: false })
  const samples = await byTurns(how.rounds, {
    depot: () => uploadTo(depot, { ...hart, checksum, again: true }),
    yardstick: () => copyAndHash(hart.path, how.copy, how.decoder),
  })
  const after = memoryOf(depot.pid)
  return { ...samples, growthMb: before && after && (after.peakBytes - before.bytes) / MB }
}

async function uploadTo(
  depot: ServerProcess,
  hart: HartFile & { checksum: string; again: boolean },
): Promise<Sample> {
  const before = await depot.cpuMs()
  const start = performance.now()
  await promisify(execFile)('curl', [
    '-fsS',
    '-X',
    'POST',
    '-H',
    'Expect:',
    '-H',
    `Authorization: Bearer ${TOKEN}`,
    '-T',
    hart.path,
    `http://127.0.0.1:${depot.port}${uploadPath(hart.ident, hart)}`,
  ])
  const wallMs = performance.now() - start
  return { cpuMs: (await depot.cpuMs()) - before, wallMs }
}

/** Measures commands with bash's `time`. */
async function copyAndHash(path: string, copy: string, decoder: Decoder | undefined): Promise<Sample> {
  const decode = {
    decoder: ' && "$3" "$4" "$2"',
    'xz -dc': ' && tail -c +"$5" "$2" | xz -dc > /dev/null',
    none: '',
  }[decoder ?? 'none']
  const script = `TIMEFORMAT='%R %U %S'; time { cat "$1" > "$2" && sync "$2" && b2sum -l 256 "$2"${decode}; }; rm "$2"`
  const { stderr } = await promisify(execFile)(
    'bash',
    ['-c', script, 'bash', path, copy, process.execPath, DECODE, String(payloadOffsetOf(path) + 1)],
    { env: { ...process.env, LC_ALL: 'C' } },
  )
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number)
  return { cpuMs: (user + system) * 1000, wallMs: wall * 1000 }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureUpload({ isQuick: process.argv.includes('--quick') })))
