import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rm } from 'node:fs/promises'
import { makeIncompressible } from './fillings/harts.ts'
import { introduce, TOKEN } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures the command line as the package has it, in dist/: how long it takes to start, against Node that
// does nothing, and uploads against curl. A small upload shows the start again. The processor time is that of
// the commands alone.

const ROOT = join(import.meta.dirname, '..')
const MAX_START = 3
const MAX_UPLOAD = 1.2
const SMALL_MB = 40
const LARGE_MB = 256
const MB = 1024 * 1024

interface Sample {
  readonly ms: number
  readonly cpuMs: number
}

export async function measureCli({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  const secretKey = await introduce(depot.port)
  await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT })
  const url = `http://127.0.0.1:${depot.port}`
  const env = {
    PATH: process.env['PATH'],
    HOME: scratch.path,
    HART_DEPOT_URL: url,
    HART_DEPOT_TOKEN: TOKEN,
    NODE_COMPILE_CACHE: join(scratch.path, 'compiled'),
  }
  const cli = async (...args: string[]) => timed([process.execPath, join(ROOT, 'dist/main.js'), ...args], env)
  const sides = {
    help: async () => cli('--help'),
    whoami: async () => cli('whoami'),
    nothing: async () => timed([process.execPath, '-e', '0'], env),
  }
  await byTurns(2, sides) // fills the cache of compiled code
  const starts = await byTurns(isQuick ? 5 : 20, sides)
  const measurements: Measurement[] = (['help', 'whoami'] as const).map((side) => ({
    name: `hart-depot ${side === 'help' ? '--help' : side}`,
    unit: 'processor ms',
    depot: spreadOf(starts[side].map(({ cpuMs }) => cpuMs)),
    yardstick: { name: 'node -e 0', ...spreadOf(starts.nothing.map(({ cpuMs }) => cpuMs)) },
    goal: MAX_START,
  }))
  if (!has('curl')) return { measurements, limits: [], missing: ['CLI upload: curl is not installed'] }

  for (const megabytes of isQuick ? [SMALL_MB] : [SMALL_MB, LARGE_MB]) {
    const sizeBytes = megabytes * MB
    let made = 0
    const uploadBy = async (send: (path: string) => Promise<Sample>) => {
      made += 1
      const name = `cli-${megabytes}-${made}`
      const { path } = makeIncompressible(join(scratch.path, `${name}.hart`), {
        name,
        secretKey,
        sizeBytes,
        metadata: 'first',
      })
      const sample = await send(path)
      await rm(path)
      return sample
    }
    const uploads = await byTurns(isQuick ? 3 : 10, {
      cli: async () => uploadBy(async (path) => cli('upload', path)),
      curl: async () => uploadBy(async (path) => timed(curlCommand(path, url), env)),
    })
    const upload = (unit: string, of: (sample: Sample) => number) => ({
      name: `hart-depot upload of ${megabytes} MB`,
      unit,
      depot: spreadOf(uploads.cli.map(of)),
      yardstick: { name: 'curl', ...spreadOf(uploads.curl.map(of)) },
    })
    measurements.push(
      { ...upload('ms', ({ ms }) => ms), goal: MAX_UPLOAD },
      upload('processor ms', ({ cpuMs }) => cpuMs),
    )
  }
  return { measurements, limits: [], missing: [] }
}

function curlCommand(path: string, url: string): string[] {
  const headers = ['Expect:', 'Content-Type: application/octet-stream', `Authorization: Bearer ${TOKEN}`]
  const options = ['-X', 'POST', ...headers.flatMap((header) => ['-H', header])]
  return ['curl', '-fsS', ...options, '-T', path, `${url}/api/v1/releases`]
}

/** Runs a program to its end, and measures it with bash's `time`. */
async function timed(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Sample> {
  const script = `TIMEFORMAT='%R %U %S'; time "$@" > /dev/null`
  const child = spawn('bash', ['-c', script, 'bash', ...command], { env: { ...env, LC_ALL: 'C' } })
  let written = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written += text
  })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${written}`)
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] =
    written.trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  return { ms: wall * 1000, cpuMs: (user + system) * 1000 }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureCli({ isQuick: process.argv.includes('--quick') })))
