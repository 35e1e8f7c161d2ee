import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { askAny, getRequest, pollKeepingAlive } from './clients/load.ts'
import type { Poll } from './clients/load.ts'
import { LATEST, publishApp, SUPERVISOR } from './poll.ts'
import { TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import type { ServerProcess } from './servers/process.ts'
import { startServer } from './servers/process.ts'
import { freePort, has, startProgram } from './servers/program.ts'

// Measures the equivalent of a poll in other depots: the description of a package in verdaccio, and a
// manifest by its tag in docker-registry. Each has one small package, and does not log requests.

const VERDACCIO = '6.10.4'
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const HOW = {
  verdaccio: `npm install --prefix FOLDER verdaccio@${VERDACCIO}, with FOLDER/node_modules/.bin in PATH`,
  'docker-registry': 'Debian: docker-registry',
}

interface Other {
  readonly name: keyof typeof HOW
  /** Starts the depot in this folder, and publishes a package. */
  start(folder: string): Promise<ServerProcess>
  readonly request: Buffer
}

const OTHERS: readonly Other[] = [
  {
    name: 'verdaccio',
    start: startVerdaccio,
    request: getRequest('/app', { accept: 'application/json' }, 'keep-alive'),
  },
  {
    name: 'docker-registry',
    start: startDockerRegistry,
    request: getRequest('/v2/app/manifests/latest', { accept: MANIFEST_TYPE }, 'keep-alive'),
  },
]

export async function measureOthers({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const here = OTHERS.filter(({ name }) => process.platform === 'linux' && has(name))
  const missing = OTHERS.filter((other) => !here.includes(other)).map(
    ({ name }) => `polls against ${name}: it is not installed (${HOW[name]})`,
  )
  if (isQuick)
    return {
      measurements: [],
      limits: [],
      missing: ['polls against verdaccio and docker-registry: not in a quick run'],
    }
  if (here.length === 0) return { measurements: [], limits: [], missing }
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishApp(depot.port, scratch.path)
  const measurements: Measurement[] = []
  for (const other of here)
    measurements.push(await measureOther(depot, other, join(scratch.path, other.name)))
  return { measurements, limits: [], missing }
}

async function measureOther(depot: ServerProcess, other: Other, folder: string): Promise<Measurement> {
  await mkdir(folder)
  await using server = await other.start(folder)
  const ours = await pollOf(depot.port, getRequest(LATEST, SUPERVISOR, 'keep-alive'))
  const theirs = await pollOf(server.port, other.request)
  // Warm up, so that the code is compiled.
  await microsPerAnswer(depot, ours, 8_000)
  await microsPerAnswer(server, theirs, 4_000)
  const samples = await byTurns(7, {
    depot: () => microsPerAnswer(depot, ours, 5_000),
    yardstick: () => microsPerAnswer(server, theirs, 1_500),
  })
  const name = `poll, kept alive: ${ours.answerBytes} bytes`
  return {
    name,
    unit: 'processor µs',
    depot: spreadOf(samples.depot),
    yardstick: { name: `${other.name}, ${theirs.answerBytes} bytes`, ...spreadOf(samples.yardstick) },
  }
}

async function microsPerAnswer(server: ServerProcess, poll: Poll, count: number): Promise<number> {
  const before = await server.cpuMs()
  await pollKeepingAlive(server.port, [poll], count)
  return (((await server.cpuMs()) - before) * 1000) / count
}

async function pollOf(port: number, request: Buffer): Promise<Poll> {
  const { firstLine, sizeBytes } = await askAny(port, request)
  if (!firstLine.startsWith('HTTP/1.1 200 ')) throw new Error(`unexpected answer: ${firstLine}`)
  return { request, firstLine, answerBytes: sizeBytes }
}

async function startVerdaccio(folder: string): Promise<ServerProcess> {
  const port = await freePort()
  const config = join(folder, 'config.yaml')
  const open = { access: '$all', publish: '$all' }
  // JSON is valid YAML.
  await writeFile(
    config,
    JSON.stringify({
      storage: join(folder, 'storage'),
      uplinks: {},
      packages: { '**': open },
      auth: { htpasswd: { file: join(folder, 'htpasswd') } },
      log: { type: 'stdout', level: 'fatal' },
    }),
  )
  const server = await startProgram(port, 'verdaccio', ['--config', config, '--listen', `127.0.0.1:${port}`])
  const tarball = Buffer.from('a tarball, which nobody reads')
  const dist = {
    shasum: createHash('sha1').update(tarball).digest('hex'),
    tarball: `http://127.0.0.1:${port}/app/-/app-1.2.0.tgz`,
  }
  await put(
    port,
    '/app',
    'application/json',
    JSON.stringify({
      _id: 'app',
      name: 'app',
      'dist-tags': { latest: '1.2.0' },
      versions: { '1.2.0': { name: 'app', version: '1.2.0', description: 'an app', dist } },
      _attachments: {
        'app-1.2.0.tgz': {
          content_type: 'application/octet-stream',
          data: tarball.toString('base64'),
          length: tarball.length,
        },
      },
    }),
  )
  return server
}

async function startDockerRegistry(folder: string): Promise<ServerProcess> {
  const port = await freePort()
  const config = join(folder, 'config.yml')
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: {
        cache: { blobdescriptor: 'inmemory' },
        filesystem: { rootdirectory: join(folder, 'registry') },
      },
      http: { addr: `127.0.0.1:${port}` },
    }),
  )
  const server = await startProgram(port, 'docker-registry', ['serve', config])
  const image = Buffer.from('{}')
  const digest = `sha256:${createHash('sha256').update(image).digest('hex')}`
  const begun = await fetch(`http://127.0.0.1:${port}/v2/app/blobs/uploads/`, { method: 'POST' })
  const place = new URL(begun.headers.get('location') ?? '', `http://127.0.0.1:${port}`)
  place.searchParams.set('digest', digest)
  await put(port, place.pathname + place.search, 'application/octet-stream', image)
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, size: image.length, digest },
    layers: [],
  }
  await put(port, '/v2/app/manifests/latest', MANIFEST_TYPE, JSON.stringify(manifest))
  return server
}

async function put(
  port: number,
  path: string,
  type: string,
  body: string | Buffer<ArrayBuffer>,
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body,
  })
  if (!response.ok) throw new Error(`PUT ${path} was answered ${response.status}: ${await response.text()}`)
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureOthers({ isQuick: process.argv.includes('--quick') })))
