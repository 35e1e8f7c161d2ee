import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { formatResults } from './results.ts'
import type { Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { freePort } from './servers/program.ts'

// Measures how many commands and seconds are between nothing and a promotion that a poll sees: a clone, its
// packages, a server, and a package that is uploaded and promoted. npm takes packages from its cache where it
// can.

const ROOT = join(import.meta.dirname, '..')
const MAX_COMMANDS = 6
const MAX_SECONDS = 120
const HART = 'test/fixtures/harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'
const KEY = 'test/fixtures/keys/happyhumans-20160424223347.pub'

export async function measureFirstPromotion(): Promise<Results> {
  await using scratch = await openScratch()
  const clone = join(scratch.path, 'hart-depot')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const notes: string[] = []
  let seconds = 0
  const timed = async <T>(command: string, step: () => Promise<T>): Promise<T> => {
    const begun = performance.now()
    const result = await step()
    const took = (performance.now() - begun) / 1000
    seconds += took
    notes.push(`${took.toFixed(1)} s: \`${command}\``)
    return result
  }
  const env: NodeJS.ProcessEnv = { ...process.env, DEPOT_LISTEN: `127.0.0.1:${port}`, HART_DEPOT_URL: url }
  const run = async (program: string, ...args: string[]) =>
    timed([program, ...args].join(' '), () =>
      promisify(execFile)(program, args, { cwd: clone, env, maxBuffer: Infinity }),
    )

  await timed('git clone …', () => promisify(execFile)('git', ['clone', '-q', ROOT, clone]))
  await run('npm', 'ci', '--prefer-offline')
  const server = spawn('npm', ['start'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    env['HART_DEPOT_TOKEN'] = await timed('npm start', async () => tokenOf(server.stdout))
    await run('npx', 'hart-depot', 'origin', 'create', 'happyhumans')
    await run('npx', 'hart-depot', 'upload', HART, '--key', KEY, '--promote', 'acceptance')
    const latest = `${url}/v1/depot/views/acceptance/pkgs/happyhumans/possums/latest`
    const { stdout } = await run('curl', '-fsS', latest)
    if (!stdout.includes('20160427165340')) throw new Error(`the poll was answered with ${stdout}`)
  } finally {
    server.kill('SIGTERM')
    await once(server, 'close')
  }
  return {
    measurements: [],
    limits: [
      { name: 'clone to first promotion', unit: 'commands', value: notes.length, max: MAX_COMMANDS + 1 },
      { name: 'clone to first promotion', unit: 's', value: seconds, max: MAX_SECONDS },
    ],
    missing: [],
    notes,
  }
}

/** Resolves with the token of the administrator when the server listens. */
async function tokenOf(stdout: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let printed = ''
  stdout.on('data', (text: Buffer) => {
    printed += String(text)
    const token = /HART_DEPOT_TOKEN=(\S+)/.exec(printed)?.[1]
    if (token !== undefined && printed.includes('listens on')) resolve(token)
  })
  stdout.on('end', () => reject(new Error(`the depot did not start: ${printed}`)))
  return promise
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureFirstPromotion()))
