import { join } from 'node:path'
import { makeIdent } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { makeService } from './fillings/harts.ts'
import { askAny, getRequest, headerOf, pollClosing, pollKeepingAlive } from './clients/load.ts'
import type { Poll } from './clients/load.ts'
import { checksumOf, introduce, ORIGIN, promote, TARGET, TOKEN, upload } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { hasNginx, startNginx } from './servers/nginx.ts'
import { startBare } from './servers/record.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// Measures the processor time of a poll, as sent by a supervisor that has a view's URL as its depot URL. The
// yardsticks are node:http, which sends the same bytes from memory, and nginx, which sends them from files.

export const VIEW = 'delivered'
const IDENT = { origin: ORIGIN, name: 'app', version: '1.2.0', release: '20260101120000' }
const IN_VIEW = `/v1/depot/views/${VIEW}/depot/channels/${ORIGIN}/stable/pkgs`
export const LATEST = `${IN_VIEW}/${IDENT.name}/latest?target=${TARGET}`
const MISS = `${IN_VIEW}/nothing/latest?target=${TARGET}`
const EXACT = `${IDENT.name}/${IDENT.version}/${IDENT.release}?target=${TARGET}`
const EXACT_IN_CHANNEL = `/v1/depot/channels/${ORIGIN}/${VIEW}/pkgs/${EXACT}`
const EXACT_IN_VIEW = `${IN_VIEW}/${EXACT}`
export const SUPERVISOR = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }
const MAX_OF_BARE = 1.1
const MAX_OF_NGINX = { 'keep-alive': 1.8, close: 2.2 }
/** The headers that nginx adds to each answer. It adds `ETag`, type, length and date by itself. */
const NOT_ADDED = new Set(['content-type', 'content-length', 'etag', 'date', 'connection', 'keep-alive'])

interface Kind {
  readonly name: string
  /** Requested in turns. */
  readonly paths: readonly string[]
  readonly connection: 'keep-alive' | 'close'
  readonly headers?: Readonly<Record<string, string>>
  /** Sends the tag of the earlier answer in `If-None-Match`. */
  readonly isConditional?: boolean
  readonly isLeftOutOfQuick?: boolean
}

const KINDS: readonly [Kind, ...Kind[]] = [
  { name: 'poll, kept alive', paths: [LATEST], connection: 'keep-alive' },
  { name: 'poll, Connection: close', paths: [LATEST], connection: 'close' },
  {
    name: 'poll, Connection: close, with a token',
    paths: [LATEST],
    connection: 'close',
    headers: { authorization: `Bearer ${TOKEN}` },
    isLeftOutOfQuick: true,
  },
  { name: 'poll, If-None-Match, kept alive', paths: [LATEST], connection: 'keep-alive', isConditional: true },
  { name: 'poll of what is not there, kept alive', paths: [MISS], connection: 'keep-alive' },
  {
    name: 'polls, 20 % of what is not there, kept alive',
    paths: [LATEST, LATEST, LATEST, LATEST, MISS],
    connection: 'keep-alive',
  },
  { name: 'exact show in a channel, kept alive', paths: [EXACT_IN_CHANNEL], connection: 'keep-alive' },
  {
    name: "exact show by a view's URL, kept alive",
    paths: [EXACT_IN_VIEW],
    connection: 'keep-alive',
    isLeftOutOfQuick: true,
  },
]

export async function measurePoll({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishApp(depot.port, scratch.path)
  const mirror = join(scratch.path, 'mirror')
  await using bare = await startBare(depot.port, [LATEST, MISS, EXACT_IN_CHANNEL, EXACT_IN_VIEW], mirror)
  await using nginx = hasNginx() ? await startNginx(mirror, ...(await headersOf(depot.port))) : undefined
  // Warm up, so that the code is compiled.
  for (const server of [depot, bare])
    await pollKeepingAlive(
      server.port,
      (await prepare(server.port, KINDS[0])).polls,
      isQuick ? 10_000 : 20_000,
    )
  const measurements: Measurement[] = []
  const kinds = KINDS.filter(({ isLeftOutOfQuick }) => !isQuick || isLeftOutOfQuick !== true)
  for (const kind of kinds)
    measurements.push(
      ...(await measureKind(kind, { depot, bare, ...(nginx !== undefined && { nginx }) }, isQuick)),
    )
  const missing = KINDS.filter((kind) => !kinds.includes(kind)).map(
    ({ name }) => `${name}: not in a quick run`,
  )
  if (nginx === undefined) missing.push('polls against nginx: nginx is not installed (Debian: nginx-light)')
  return { measurements, limits: [], missing }
}

async function measureKind(
  kind: Kind,
  servers: { depot: ServerProcess; bare: ServerProcess; nginx?: ServerProcess },
  isQuick: boolean,
): Promise<Measurement[]> {
  const isKept = kind.connection === 'keep-alive'
  // New connections run other code than kept ones. Before it is compiled, polls cost half as much again.
  const [rounds, count, warming] = isQuick
    ? [isKept ? 3 : 7, isKept ? 800 : 400, isKept ? 300 : 5_000]
    : [25, isKept ? 1_000 : 500, 5_000]
  const poll = isKept ? pollKeepingAlive : pollClosing
  const sides: Record<string, () => Promise<number>> = {}
  const bodies: string[] = []
  let statuses = ''
  for (const [side, server] of Object.entries(servers)) {
    const { polls, answers } = await prepare(server.port, kind)
    bodies.push(answers.map(({ status, body }) => `${status} ${body}`).join())
    if (side === 'depot') statuses = [...new Set(answers.map(({ status }) => status))].join(', ')
    sides[side] = async () => {
      const before = await server.cpuMs()
      await poll(server.port, polls, count)
      return (((await server.cpuMs()) - before) * 1000) / count
    }
    await poll(server.port, polls, warming)
  }
  // Servers may answer conditional requests with different statuses, which the name of the measurement shows.
  if (kind.isConditional !== true && new Set(bodies).size > 1)
    throw new Error(`${kind.name}: the servers answer differently`)
  const samples = await byTurns(rounds, sides)
  const measurement = (yardstick: string, goal: number, taken: readonly number[]): Measurement => ({
    name: `${kind.name}: ${statuses}`,
    unit: 'processor µs',
    depot: spreadOf(samples['depot'] ?? []),
    yardstick: { name: yardstick, ...spreadOf(taken) },
    goal,
  })
  const measurements = [measurement('bare node:http', MAX_OF_BARE, samples['bare'] ?? [])]
  if (samples['nginx'] !== undefined)
    measurements.push(measurement('nginx, a file', MAX_OF_NGINX[kind.connection], samples['nginx']))
  return measurements
}

/** Requests each path once, and returns the polls with their expected answers. */
async function prepare(
  port: number,
  { paths, connection, headers, isConditional }: Kind,
): Promise<{ polls: Poll[]; answers: { status: string; body: string }[] }> {
  const polls: Poll[] = []
  const answers = []
  for (const path of paths) {
    const asked: Record<string, string> = { ...SUPERVISOR, ...headers }
    if (isConditional === true)
      asked['if-none-match'] = headerOf(await askAny(port, getRequest(path, asked, connection)), 'etag') ?? ''
    const request = getRequest(path, asked, connection)
    const { firstLine, sizeBytes, body } = await askAny(port, request)
    polls.push({ request, firstLine, answerBytes: sizeBytes })
    answers.push({ status: firstLine.split(' ')[1] ?? '', body: body.toString() })
  }
  return { polls, answers }
}

async function headersOf(port: number): Promise<[Record<string, string>, string | undefined]> {
  const answer = await askAny(port, getRequest(LATEST, SUPERVISOR, 'close'))
  const added: Record<string, string> = {}
  for (let i = 0; i + 1 < answer.headers.length; i += 2) {
    const [name = '', value = ''] = answer.headers.slice(i, i + 2)
    if (!NOT_ADDED.has(name.toLowerCase())) added[name] = value
  }
  return [added, headerOf(answer, 'content-type')]
}

/** Publishes and promotes the package of {@link LATEST}. */
export async function publishApp(port: number, folder: string): Promise<void> {
  const secretKey = await introduce(port)
  const ident = makeIdent(IDENT)
  const { path } = makeService(join(folder, 'app.hart'), ident, secretKey)
  await upload(port, ident, { path, checksum: await checksumOf(path) })
  await promote(port, ident, VIEW)
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measurePoll({ isQuick: process.argv.includes('--quick') })))
