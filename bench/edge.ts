import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import pino from 'pino'
import { DepotClient } from '../src/client/client.ts'
import { readConfig } from '../src/config/config.ts'
import { openDepot } from '../src/depot/open.ts'
import { EdgeFolder } from '../src/edge/edge-folder.ts'
import { followDepot } from '../src/edge/follow-depot.ts'
import { nginxConf } from '../src/edge/nginx-conf.ts'
import { makeIdent } from '../src/package/ident.ts'
import { askAny, getRequest, pollClosing, pollKeepingAlive } from './clients/load.ts'
import { SUPERVISOR, VIEW } from './poll.ts'
import { ORIGIN, TARGET, TOKEN, promote } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { hasNginx, startNginx } from './servers/nginx.ts'
import { startServer } from './servers/process.ts'
import type { NodeProcess, ServerProcess } from './servers/process.ts'
import { freePort, startProgram } from './servers/program.ts'

// Measures the edge: what a poll costs nginx when it answers from the files of `materialize`, against bare
// nginx on the same file; how long an acknowledged promotion takes until nginx answers it; and how long it
// takes to write 10,000 packages, against a copy of the same files.

/** Of the processor time of bare nginx. On a kept connection, the patterns of the URL weigh more. */
const MAX_OF_BARE = { 'keep-alive': 1.3, close: 1.15 }
/** A file system in memory. Files of an edge can be written again at any time, so they belong there. */
const MEMORY = '/dev/shm'
const pathOf = (name: string) => `/v1/depot/views/${VIEW}/pkgs/${ORIGIN}/${name}/latest`
const nameOf = (index: number) => `lib${String(index).padStart(5, '0')}`
const identOf = (index: number, version: string) =>
  makeIdent({ origin: ORIGIN, name: nameOf(index), version, release: '20260101120000' })

export async function measureEdge({ isQuick }: { isQuick: boolean }): Promise<Results> {
  if (!hasNginx()) return { measurements: [], limits: [], missing: ['the edge: nginx is missing'] }
  const packages = isQuick ? 1_000 : 10_000
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  await publish(data, packages)
  await using depot = await startServer('depot.ts', [data, TOKEN])
  await using memory = await openScratch(existsSync(MEMORY) ? MEMORY : undefined)
  const edge = join(memory.path, 'edge')
  const written = await measureWriting(depot, { edge, packages, rounds: isQuick ? 2 : 3 })
  await using nginx = await startEdge(scratch.path, { edge, depot })
  const polls = await measurePolls(nginx, { folder: join(memory.path, 'bare'), isQuick })
  const promotions = await measurePromotions(depot, { edge, nginx, count: isQuick ? 50 : 300 })
  return {
    measurements: [...polls, ...written.measurements, ...promotions.measurements],
    limits: [],
    missing: [],
    notes: [...written.notes, ...promotions.notes],
  }
}

/** Publishes two releases of each package, and promotes the first of each into the view. */
async function publish(data: string, packages: number): Promise<void> {
  const config = readConfig({ DEPOT_DATA: data, DEPOT_ADMIN_TOKEN: TOKEN })
  const depot = await openDepot(config, { log: pino({ level: 'silent' }), inProcess: true })
  const actor = { client: 'bench', door: 'cli' } as const
  await depot.writer.submit({ kind: 'createOrigin', input: { name: ORIGIN, ownerId: 1 }, actor })
  const texts = { manifest: '# a manifest\n'.repeat(100), config: '', exposes: [] }
  const lists = { deps: [], tdeps: [], buildDeps: [], buildTdeps: [] }
  for (const version of ['1.0.0', '2.0.0']) {
    const published = Array.from({ length: packages }, async (_, index) => {
      const checksum = `${index}${version.replaceAll('.', '')}`.padStart(64, '0')
      const input = {
        ident: identOf(index, version),
        metadata: {
          target: TARGET,
          ...texts,
          ...lists,
          packageType: 'standard',
          svcUser: undefined,
          svcGroup: undefined,
        } as const,
        checksum,
        sizeBytes: 1,
        signer: `${ORIGIN}-20260101000000`,
        isVerified: true,
        publisherId: 1,
        isForced: false,
      }
      return depot.writer.submit({ kind: 'publishRelease', input, actor })
    })
    await Promise.all(published)
  }
  const releases = Array.from({ length: packages }, (_, index) => {
    const { origin, name, version, release } = identOf(index, '1.0.0')
    return { ident: `${origin}/${name}/${version}/${release}`, target: TARGET } as const
  })
  await depot.writer.submit({ kind: 'promote', input: { view: VIEW, releases }, actor })
  await depot.close()
}

interface Writing {
  readonly edge: string
  readonly packages: number
  readonly rounds: number
}

/** Writes everything, a few times, and copies it as often. The last set of files stays. */
async function measureWriting(
  depot: NodeProcess,
  { edge, packages, rounds }: Writing,
): Promise<{ measurements: Measurement[]; notes: string[] }> {
  const ownMs: number[] = []
  const depotMs: number[] = []
  const samples = await byTurns(rounds, {
    written: async () => {
      await rm(edge, { recursive: true, force: true })
      const [before, cpu, begun] = [await depot.cpuMs(), process.cpuUsage(), performance.now()]
      await writeOnce(depot, edge)
      const ms = performance.now() - begun
      const { user, system } = process.cpuUsage(cpu)
      ownMs.push((user + system) / 1_000)
      depotMs.push((await depot.cpuMs()) - before)
      return ms
    },
    copied: async () => {
      const begun = performance.now()
      execFileSync('cp', ['-a', join(edge, 'answers-1'), `${edge}-copy`])
      const ms = performance.now() - begun
      await rm(`${edge}-copy`, { recursive: true })
      return ms
    },
  })
  const count = (...args: string[]) =>
    execFileSync('sh', ['-c', `find "$1" ${args.join(' ')} | wc -l`, 'sh', join(edge, 'answers-1')])
      .toString()
      .trim()
  const sizeKb = execFileSync('du', ['-sk', join(edge, 'answers-1')])
    .toString()
    .split('\t')[0]
  const cpu = `${spreadOf(ownMs).median.toFixed(0)} ms of processor time, and the depot ${spreadOf(depotMs).median.toFixed(0)} ms`
  return {
    measurements: [
      {
        name: `writing the files of ${packages} packages in two views, two releases each`,
        unit: 'ms',
        depot: spreadOf(samples.written),
        yardstick: { name: 'cp -a of the same files', ...spreadOf(samples.copied) },
      },
    ],
    notes: [
      `The files of ${packages} packages in two views are ${count('-type f')} files and ${count('-type l')} links on ${Math.round(Number(sizeKb) / 1_024)} MB of disk. To write them takes ${cpu}.`,
    ],
  }
}

async function writeOnce({ port }: ServerProcess, edge: string): Promise<void> {
  const folder = EdgeFolder.open(edge)
  const depot = new DepotClient({ url: `http://127.0.0.1:${port}` })
  await followDepot({
    depot,
    folder,
    isFollowing: false,
    maxStaleMs: undefined,
    metricsFile: undefined,
    report: () => undefined,
    now: Date.now,
    pause: async () => setImmediate(),
    signal: new AbortController().signal,
  })
  depot.close()
  folder.close()
}

/** Starts nginx with the configuration of `nginx-conf`. */
async function startEdge(
  folder: string,
  { edge, depot }: { edge: string; depot: ServerProcess },
): Promise<ServerProcess> {
  const port = await freePort()
  const conf = nginxConf({
    files: edge,
    upstreams: [`127.0.0.1:${depot.port}`],
    listen: `127.0.0.1:${port}`,
    serverName: undefined,
    tls: undefined,
    blobs: undefined,
    direct: undefined,
  })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const file = join(folder, 'edge.conf')
  await writeFile(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/edge.pid; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; ${temporary.join(' ')} ${conf} }
`,
  )
  return startProgram(port, 'nginx', ['-c', file, '-p', folder])
}

async function measurePolls(
  edge: ServerProcess,
  { folder, isQuick }: { folder: string; isQuick: boolean },
): Promise<Measurement[]> {
  const path = pathOf(nameOf(7))
  const { body } = await askAny(edge.port, getRequest(path, SUPERVISOR, 'close'))
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), body)
  await using bare = await startNginx(
    folder,
    { 'Cache-Control': 'private, no-cache, no-store' },
    'application/json; charset=utf-8',
  )
  const measurements: Measurement[] = []
  for (const connection of ['keep-alive', 'close'] as const) {
    const poll = connection === 'close' ? pollClosing : pollKeepingAlive
    const request = getRequest(path, SUPERVISOR, connection)
    const [rounds, count] = isQuick ? [7, 800] : [25, 2_000]
    const side = async (server: ServerProcess) => {
      const { firstLine, sizeBytes } = await askAny(server.port, request)
      return async () => {
        const before = await server.cpuMs()
        await poll(server.port, [{ request, firstLine, answerBytes: sizeBytes }], count)
        return (((await server.cpuMs()) - before) * 1_000) / count
      }
    }
    const samples = await byTurns(rounds, { edge: await side(edge), bare: await side(bare) })
    measurements.push({
      name: `poll answered by the edge, ${connection === 'close' ? 'Connection: close' : 'kept alive'}`,
      unit: 'processor µs',
      depot: spreadOf(samples.edge),
      yardstick: { name: 'bare nginx, the same file', ...spreadOf(samples.bare) },
      goal: MAX_OF_BARE[connection],
    })
  }
  return measurements
}

/**
 * Promotes one release at a time while `materialize --follow` runs, and asks nginx until it answers the
 * release. The yardstick is a client that waits for the entry of the promotion.
 */
async function measurePromotions(
  depot: ServerProcess,
  { edge, nginx, count }: { edge: string; nginx: ServerProcess; count: number },
): Promise<{ measurements: Measurement[]; notes: string[] }> {
  const url = `http://127.0.0.1:${depot.port}`
  const main = new URL('../src/main.ts', import.meta.url).pathname
  const follower = spawn(process.execPath, [main, 'materialize', '--to', edge, '--follow', '--url', url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await once(follower.stderr, 'data') // it says that the files are current
  const client = new DepotClient({ url })
  const taken: { edge: number[]; follower: number[] } = { edge: [], follower: [] }
  for (let index = 0; index < count; index += 1) {
    const ident = identOf(index, '2.0.0')
    const { position } = await client.getLedgerHead()
    const heard = client.listEvents({ after: position, kind: 'promotion', view: VIEW, wait: 10 })
    const heardAt = heard.then(() => performance.now())
    await promote(depot.port, ident, VIEW)
    const acknowledged = performance.now()
    const request = getRequest(pathOf(ident.name), SUPERVISOR, 'close')
    while (!(await askAny(nginx.port, request)).body.includes('"version":"2.0.0"')) await setImmediate()
    taken.edge.push(performance.now() - acknowledged)
    taken.follower.push(Math.max(0, (await heardAt) - acknowledged))
  }
  client.close()
  const before = await readFile(join(edge, 'edge.prom'), 'utf8')
  follower.kill('SIGTERM')
  await once(follower, 'exit')
  const at = (part: number) => {
    const sorted = taken.edge.toSorted((a, b) => a - b)
    return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(1)
  }
  if (!before.includes('hart_depot_edge_served 1')) throw new Error('the files were not served')
  return {
    measurements: [
      {
        name: 'an acknowledged promotion until nginx answers it from a file',
        unit: 'ms',
        depot: spreadOf(taken.edge),
        yardstick: { name: 'until a client that waits has its entry', ...spreadOf(taken.follower) },
      },
    ],
    notes: [
      `Of ${count} promotions, nginx answered half within ${at(0.5)} ms after the acknowledgement, 99 % within ${at(0.99)} ms, and the slowest after ${at(1)} ms.`,
    ],
  }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureEdge({ isQuick: process.argv.includes('--quick') })))
