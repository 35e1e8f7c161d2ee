import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { payloadOffsetOf } from './fillings/harts.ts'
import { introduce, ORIGIN, TARGET, TOKEN, uploadPath } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import { has } from './servers/program.ts'
import { HartDigest } from '../src/hart/digest.ts'
import type { SecretKey } from '../src/hart/origin-key.ts'
import { packHart, signHart } from '../src/hart/pack.ts'
import { makeIdent } from '../src/package/ident.ts'

// Measures uploads of packages of 1 KB by many clients at once. The yardstick does for each package what
// cannot be avoided, with programs: `cat` and `sync` write it, `b2sum` hashes it, `xz` unpacks it.

const CLIENTS = 8
const PACKAGES = 400
const QUICK_PACKAGES = 100
const ROUNDS = 10
const QUICK_ROUNDS = 3

interface Cost {
  readonly cpuMs: number
  readonly ms: number
}

interface Small {
  readonly url: string
  readonly file: string
  readonly body: Buffer
  readonly payloadOffset: number
}

export async function measureSmallUploads({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const absent = ['xz', 'b2sum'].filter((program) => !has(program))
  if (absent.length > 0)
    return {
      measurements: [],
      limits: [],
      missing: absent.map((program) => `uploads of 1 KB: ${program} is not installed`),
    }
  const packages = isQuick ? QUICK_PACKAGES : PACKAGES
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  const secretKey = await introduce(depot.port)
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  let round = 0
  const prepare = (): Small[] => {
    round += 1
    return makeSmall(join(scratch.path, `round-${round}`), secretKey, { round, packages })
  }
  const uploadAll = async (): Promise<Cost> => {
    const harts = prepare()
    const before = await depot.cpuMs()
    const begun = performance.now()
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        for (let hart = harts.pop(); hart !== undefined; hart = harts.pop())
          await post(agent, depot.port, hart)
      }),
    )
    const ms = (performance.now() - begun) / packages
    return { ms, cpuMs: ((await depot.cpuMs()) - before) / packages }
  }
  const byPrograms = async (): Promise<Cost> => {
    const [first, ...others] = prepare()
    if (first === undefined) return { cpuMs: Number.NaN, ms: Number.NaN }
    const cost = await unavoidable(join(scratch.path, 'copy'), first.payloadOffset, [first, ...others])
    return { cpuMs: cost.cpuMs / packages, ms: cost.ms / packages }
  }
  try {
    await uploadAll() // warms up
    const samples = await byTurns(isQuick ? QUICK_ROUNDS : ROUNDS, { depot: uploadAll, programs: byPrograms })
    const measurement = (unit: string, of: (cost: Cost) => number): Measurement => ({
      name: `upload of 1 KB, ${CLIENTS} clients`,
      unit,
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: 'cat + sync + b2sum + xz -dc', ...spreadOf(samples.programs.map(of)) },
    })
    return {
      measurements: [measurement('processor ms', ({ cpuMs }) => cpuMs), measurement('ms', ({ ms }) => ms)],
      limits: [],
      missing: [],
    }
  } finally {
    agent.destroy()
  }
}

/** Makes packages of an empty program, compressed like those of `hab`. */
function makeSmall(
  folder: string,
  secretKey: SecretKey,
  { round, packages }: { round: number; packages: number },
): Small[] {
  mkdirSync(folder)
  const made = Array.from({ length: packages }, (_, number) => {
    const ident = makeIdent({
      origin: ORIGIN,
      name: `small-${number}`,
      version: `1.${round}.0`,
      release: '20260101120000',
    })
    const stored = packHart({ ident, target: TARGET, secretKey, files: [{ path: 'bin/app', content: 'x' }] })
    const file = join(folder, `${number}`)
    writeFileSync(file, stored)
    const offset = payloadOffsetOf(file)
    writeFileSync(file, stored.subarray(offset))
    return { ident, file }
  })
  execFileSync('sh', [
    '-c',
    // Nothing is removed: ext4 takes ten times as long to create a file for some seconds after others were
    // removed.
    'cd "$1" && for f in *; do xz -dc "$f" > "$f.tar"; done && xz -6 --keep *.tar',
    'sh',
    folder,
  ])
  const harts = made.map(({ ident, file }) => {
    const body = signHart(readFileSync(`${file}.tar.xz`), secretKey)
    writeFileSync(file, body)
    const digest = new HartDigest()
    digest.update(body)
    const { checksum, header } = digest.finish()
    return { url: uploadPath(ident, { checksum }), file, body, payloadOffset: header.payloadOffset }
  })
  return harts
}

async function post(agent: Agent, port: number, { url, body }: Small): Promise<void> {
  const answered = Promise.withResolvers<void>()
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: url,
    agent,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      'content-length': body.length,
      'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)`,
    },
  })
  outgoing.on('error', answered.reject)
  outgoing.on('response', (response) => {
    response.resume()
    if (response.statusCode === 201) response.on('end', answered.resolve)
    else answered.reject(new Error(`an upload was answered ${response.statusCode}`))
  })
  outgoing.end(body)
  await answered.promise
}

/** Measures commands with bash's `time`. */
async function unavoidable(copy: string, payloadOffset: number, harts: readonly Small[]): Promise<Cost> {
  const script = `TIMEFORMAT='%R %U %S'; copy="$1"; at="$2"; shift 2
time for f; do cat "$f" > "$copy" && sync "$copy" && b2sum -l 256 "$copy" > /dev/null && tail -c "+$at" "$copy" | xz -dc > /dev/null; done`
  const { stderr } = await promisify(execFile)(
    'bash',
    ['-c', script, 'bash', copy, String(payloadOffset + 1), ...harts.map(({ file }) => file)],
    { env: { ...process.env, LC_ALL: 'C' } },
  )
  rmSync(copy)
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number)
  return { ms: wall * 1000, cpuMs: (user + system) * 1000 }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureSmallUploads({ isQuick: process.argv.includes('--quick') })))
