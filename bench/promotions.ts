import { copyFileSync } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import pino from 'pino'
import { readConfig } from '../src/config.ts'
import { openDepot } from '../src/depot.ts'
import type { Depot } from '../src/depot.ts'
import { byTurns, formatResults, spreadOf } from './figure.ts'
import type { Figure, Results } from './figure.ts'
import { TARGET } from './publisher.ts'
import { openScratch } from './scratch.ts'

// What a promotion costs beyond its rows: the command, through the writer, against the same rows written by prepared statements in one
// transaction of a copy of the database, with `synchronous=FULL` on both sides. Each promotion moves `latest` of each of its packages.

const PACKAGES = 500
const VIEW = 'delivered'
const RULED = 'ruled'
const ACTOR = { client: 'bench', door: 'cli' } as const
const VERSIONS = ['1.0.0', '2.0.0']

interface Row {
  readonly ident: string
  readonly target: typeof TARGET
}

export async function measurePromotions({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  const depot = await openDepot(readConfig({ DEPOT_DATA: join(scratch.path, 'data') }), { log: pino({ level: 'silent' }) })
  try {
    const sets = await publishRows(depot)
    await depot.writer.submit({ kind: 'createView', input: { name: RULED, rule: 'promoted', maker: 'operator' }, actor: ACTOR })
    await depot.writer.submit({ kind: 'govern', input: { view: RULED, gates: { requires: [{ view: VIEW, as: 'member' }], closure: 'depot', promoters: [] } }, actor: ACTOR })
    for (const set of sets) await promote(depot, VIEW, set)
    const file = join(scratch.path, 'by-hand.sqlite')
    await checkpoint(depot)
    copyFileSync(depot.config.databaseFile, file)
    using hand = openByHand(file)

    const figures: Figure[] = []
    for (const { size, times } of [{ size: 1, times: isQuick ? 200 : 1_000 }, { size: PACKAGES, times: isQuick ? 6 : 20 }]) {
      const some = sets.map((set) => set.slice(0, size))
      // Every other time the other versions, so that each promotion moves every pointer.
      const repeat = async (act: (set: readonly Row[], number: number) => Promise<unknown> | void) => perPromotion(times, async (number) => act(some[number % some.length] ?? [], number))
      const samples = await byTurns(isQuick ? 3 : 7, {
        depot: async () => repeat(async (set) => promote(depot, VIEW, set)),
        ruled: async () => repeat(async (set) => promote(depot, RULED, set)),
        hand: async () => repeat((set) => hand.promote(set)),
      })
      const figure = (name: string, taken: typeof samples.depot, unit: 'cpuMicros' | 'micros'): Figure => ({
        name,
        unit: unit === 'micros' ? 'µs' : 'processor µs',
        depot: spreadOf(taken.map((sample) => sample[unit])),
        yardstick: { name: 'the same rows by hand', ...spreadOf(samples.hand.map((sample) => sample[unit])) },
      })
      const what = size === 1 ? 'promotion of 1 release' : `promotion of ${size} releases`
      figures.push(figure(what, samples.depot, 'micros'), figure(what, samples.depot, 'cpuMicros'), figure(`${what}, three rules`, samples.ruled, 'cpuMicros'))
    }
    return { figures, limits: [], missing: [] }
  } finally {
    await depot.close()
  }
}

/** Two versions of each package, in two sets. */
async function publishRows({ writer }: Depot): Promise<Row[][]> {
  await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor: ACTOR })
  const sets: Row[][] = []
  for (const version of VERSIONS) {
    const set = Array.from({ length: PACKAGES }, (_, index): Row => ({ ident: `acme/package-${String(index).padStart(3, '0')}/${version}/20260101000000`, target: TARGET }))
    const texts = { manifest: '', config: '', exposes: [], deps: [], tdeps: [], buildDeps: [], buildTdeps: [] }
    const metadata = { target: TARGET, ...texts, packageType: 'standard', svcUser: undefined, svcGroup: undefined } as const
    await Promise.all(
      set.map(async ({ ident }) =>
        writer.submit({
          kind: 'publishRelease',
          input: { ident, metadata, checksum: createHash('sha256').update(ident).digest('hex'), sizeBytes: 1, signer: 'acme-20260101000000', isVerified: true, publisherId: 1, isForced: false },
          actor: ACTOR,
        }),
      ),
    )
    sets.push(set)
  }
  return sets
}

async function promote({ writer }: Depot, view: string, releases: readonly Row[]): Promise<void> {
  await writer.submit({ kind: 'promote', input: { view, releases }, actor: ACTOR })
}

/** Moves what the write-ahead log holds into the file, so that a copy of it is whole. */
async function checkpoint({ config }: Depot): Promise<void> {
  const connection = new BetterSqlite3(config.databaseFile)
  connection.pragma('wal_checkpoint(TRUNCATE)')
  connection.close()
}

/** The rows of a promotion that moves the pointers of all its releases, written as one would who writes nothing else. */
function openByHand(file: string): { promote(set: readonly Row[]): void } & Disposable {
  const db = new BetterSqlite3(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  const viewOf = db.prepare<[], { id: number; revision: number }>(`SELECT id, revision FROM views WHERE name = '${VIEW}'`)
  const headOf = db.prepare<[], { sequence: number; hash: string }>('SELECT sequence, hash FROM ledger ORDER BY sequence DESC LIMIT 1')
  const releaseOf = db.prepare<[string, string], { id: number; package_id: number }>('SELECT id, package_id FROM releases WHERE ident = ? AND target = ? AND deleted_at IS NULL')
  const closeMember = db.prepare('UPDATE members SET to_revision = ? WHERE view_id = ? AND package_id = ? AND release_id = ? AND to_revision IS NULL')
  const openMember = db.prepare('INSERT INTO members VALUES (?, ?, ?, ?, ?, NULL)')
  const closePointer = db.prepare('UPDATE pointers SET to_revision = ? WHERE view_id = ? AND package_id = ? AND target = ? AND to_revision IS NULL')
  const openPointer = db.prepare('INSERT INTO pointers VALUES (?, ?, ?, ?, ?, NULL)')
  const setRevision = db.prepare('UPDATE views SET revision = ? WHERE id = ?')
  const append = db.prepare("INSERT INTO ledger VALUES (?, ?, 'promotion', NULL, NULL, ?, ?, NULL, ?, ?, ?, ?)")
  const write = db.transaction((set: readonly Row[]) => {
    const { id, revision: before } = viewOf.get() ?? { id: 0, revision: 0 }
    const head = headOf.get() ?? { sequence: 0, hash: '' }
    const revision = before + 1
    for (const [position, { ident, target }] of set.entries()) {
      const release = releaseOf.get(ident, target) ?? { id: 0, package_id: 0 }
      closeMember.run(revision, id, release.package_id, release.id)
      openMember.run(id, release.package_id, release.id, revision, position)
      closePointer.run(revision, id, release.package_id, target)
      openPointer.run(id, release.package_id, target, release.id, revision)
    }
    setRevision.run(revision, id)
    const text = JSON.stringify({ at: Date.now(), actor: ACTOR, kind: 'promotion', view: VIEW, revision, act: 'promote', joined: set, left: [], pointers: set.map(({ ident, target }) => ({ package: ident.split('/', 2).join('/'), target, from: ident, to: ident })) })
    const salt = randomBytes(16).toString('hex')
    const digest = createHash('sha256').update(salt + text).digest('hex')
    const hash = createHash('sha256').update(`${head.hash}\n${head.sequence + 1}\n${digest}\n`).digest('hex')
    append.run(head.sequence + 1, Date.now(), id, revision, salt, text, digest, hash)
  })
  return { promote: (set) => write(set), [Symbol.dispose]: () => void db.close() }
}

/** Of one, over a number of them. */
async function perPromotion(times: number, act: (number: number) => Promise<unknown>): Promise<{ micros: number; cpuMicros: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let number = 0; number < times; number += 1) await act(number)
  const micros = ((performance.now() - start) * 1_000) / times
  const { user, system } = process.cpuUsage(cpu)
  return { micros, cpuMicros: (user + system) / times }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measurePromotions({ isQuick: process.argv.includes('--quick') })))
