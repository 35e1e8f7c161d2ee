import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { memoryOf } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures `hart-depot fleet` on 1,000 gateways, as the package has it, in dist/. The gateways are one
// server, told apart by their paths; each answers after some milliseconds with five services in the form of a
// Supervisor. The yardstick is curl with as many transfers at once, which parses nothing.

const ROOT = join(import.meta.dirname, '..')
const FIXTURE = join(ROOT, 'test/fixtures/gateway/services-2.1.json')
const GATEWAYS = 1_000
const SERVICES = 5
const PARALLEL = 50
const ANSWER_AFTER_MS = 5
const MAX_MEMORY_MB = 256
const MB = 1024 * 1024

interface Sample {
  readonly ms: number
  readonly peakBytes: number
}

export async function measureGateways({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT })
  const body = JSON.stringify(Array.from({ length: SERVICES }, readService))
  const server = createServer((_request, response) => {
    void pause(ANSWER_AFTER_MS).then(() => response.end(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const urls = Array.from({ length: GATEWAYS }, (_, index) => `${base}/${index}`)
    const [hosts, curls] = [join(scratch.path, 'hosts'), join(scratch.path, 'curls')]
    await writeFile(hosts, urls.join('\n'))
    await writeFile(curls, urls.map((url) => `url = ${url}/services\noutput = /dev/null\n`).join(''))
    const fleet = [process.execPath, join(ROOT, 'dist/main.js'), 'fleet', '--hosts', hosts, '--json'] as const
    const curl = [
      'curl',
      '--no-progress-meter',
      '--parallel',
      '--parallel-max',
      `${PARALLEL}`,
      '--config',
      curls,
    ] as const
    const sides: Record<string, () => Promise<Sample>> = {
      fleet: () => run(fleet),
      ...(has('curl') && { curl: () => run(curl) }),
    }
    const { fleet: ofFleet = [], curl: ofCurl } = await byTurns(isQuick ? 3 : 10, sides)
    const memory = Math.max(...ofFleet.map(({ peakBytes }) => peakBytes)) / MB
    return {
      measurements:
        ofCurl === undefined
          ? []
          : [
              {
                name: `hart-depot fleet on ${GATEWAYS} gateways of ${SERVICES} services`,
                unit: 'ms',
                depot: spreadOf(ofFleet.map(({ ms }) => ms)),
                yardstick: { name: 'curl --parallel', ...spreadOf(ofCurl.map(({ ms }) => ms)) },
              },
            ],
      limits: [
        {
          name: `peak memory of hart-depot fleet on ${GATEWAYS} gateways`,
          unit: 'MB',
          value: memory,
          max: MAX_MEMORY_MB,
        },
      ],
      missing: ofCurl === undefined ? ['fleet against curl: curl is not installed'] : [],
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function readService(): unknown {
  return (JSON.parse(readFileSync(FIXTURE, 'utf8')) as unknown[])[0]
}

/** Runs a program to its end, and looks at its memory meanwhile. */
async function run([program, ...args]: readonly [string, ...string[]]): Promise<Sample> {
  const begun = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  let peakBytes = 0
  const look = setInterval(() => {
    try {
      const now = memoryOf(child.pid ?? 0)?.peakBytes ?? 0
      if (now > peakBytes) peakBytes = now // NaN at its end
    } catch {
      // it has ended
    }
  }, 20)
  const [code] = (await once(child, 'exit')) as [number]
  clearInterval(look)
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return { ms: performance.now() - begun, peakBytes }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureGateways({ isQuick: process.argv.includes('--quick') })))
