import { join } from 'node:path'
import { makeIdent } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './figure.ts'
import type { Figure, Results } from './figure.ts'
import { makeService } from './harts.ts'
import { ask, getRequest, pollClosing, pollKeepingAlive } from './load.ts'
import { checksumOf, introduce, ORIGIN, promote, TARGET, TOKEN, upload } from './publisher.ts'
import { openScratch } from './scratch.ts'
import { startBare } from './servers/record.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// What a poll costs: processor time of the server per answer of `latest` through a view's URL, as a supervisor asks that has this
// URL as its depot's, against node:http that sends the same bytes.

const VIEW = 'delivered'
const PATH = `/v1/depot/views/${VIEW}/depot/channels/${ORIGIN}/stable/pkgs/app/latest?target=${TARGET}`
const SUPERVISOR = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }
const GOAL = 2.5

const KINDS = [
  { name: 'poll, kept alive', connection: 'keep-alive', headers: SUPERVISOR },
  { name: 'poll, Connection: close', connection: 'close', headers: SUPERVISOR },
  { name: 'poll, Connection: close, with a token', connection: 'close', headers: { ...SUPERVISOR, authorization: `Bearer ${TOKEN}` } },
] as const

export async function measurePoll({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishApp(depot.port, scratch.path)
  await using bare = await startBare(depot.port, [PATH], scratch.path)
  const figures: Figure[] = []
  for (const kind of KINDS) figures.push(await measureKind(kind, { depot, bare, isQuick }))
  return { figures, limits: [], missing: [] }
}

async function measureKind(kind: (typeof KINDS)[number], servers: { depot: ServerProcess; bare: ServerProcess; isQuick: boolean }): Promise<Figure> {
  const { depot, bare, isQuick } = servers
  const request = getRequest(PATH, kind.headers, kind.connection)
  const isKept = kind.connection === 'keep-alive'
  const rounds = isQuick ? 5 : 15
  const count = isKept ? 12_000 : isQuick ? 1_500 : 4_000
  const microsPerAnswer = async (server: ServerProcess, answers: number) => {
    const { sizeBytes } = await ask(server.port, request)
    const before = await server.cpuMs()
    await (isKept ? pollKeepingAlive : pollClosing)({ port: server.port, request, answerBytes: sizeBytes }, answers)
    return (((await server.cpuMs()) - before) * 1000) / answers
  }
  // Until both run compiled.
  for (const server of [depot, bare]) await microsPerAnswer(server, isQuick ? count : 20_000)
  const samples = await byTurns(rounds, {
    depot: () => microsPerAnswer(depot, count),
    yardstick: () => microsPerAnswer(bare, count),
  })
  return { name: kind.name, unit: 'processor µs', depot: spreadOf(samples.depot), yardstick: { name: 'bare node:http', ...spreadOf(samples.yardstick) }, goal: GOAL }
}

async function publishApp(port: number, folder: string): Promise<void> {
  const secretKey = await introduce(port)
  const ident = makeIdent({ origin: ORIGIN, name: 'app', version: '1.2.0', release: '20260101120000' })
  const { path } = makeService(join(folder, 'app.hart'), ident, secretKey)
  await upload(port, ident, { path, checksum: await checksumOf(path) })
  await promote(port, ident, VIEW)
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measurePoll({ isQuick: process.argv.includes('--quick') })))
