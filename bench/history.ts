import { createHash } from 'node:crypto'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { EVERYONE } from '../src/accounts/access.ts'
import { openDatabase, openSnapshot } from '../src/database/database.ts'
import type { Db } from '../src/database/database.ts'
import { link } from '../src/ledger/chain.ts'
import type { LedgerHead } from '../src/ledger/chain.ts'
import { findHead } from '../src/ledger/ledger-store.ts'
import { verifyDepot } from '../src/ledger/verify.ts'
import { orderKey } from '../src/package/version.ts'
import { listPointersAt } from '../src/views/content-store.ts'
import { listDifferences } from '../src/views/diff-store.ts'
import { getView } from '../src/views/view-store.ts'
import type { View } from '../src/views/view.ts'
import { byTurns, formatResults, spreadOf } from './figure.ts'
import type { Figure, Results } from './figure.ts'
import { openScratch } from './scratch.ts'

// What the past costs: a view of 10,000 pointers and 10,000 revisions, read as it was and compared with what it is, beside the same
// rows read by statements written by hand; and what verifying a ledger costs, beside hashing its texts.

const LINES = 10_000
const REVISIONS = 10_000
const TARGET = 'x86_64-linux'
const PAGE = 100

export async function measureHistory({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  const file = join(scratch.path, 'depot.sqlite')
  await fill(file)
  const snapshot = openSnapshot(file)
  using bare = { db: new BetterSqlite3(file, { readonly: true }), [Symbol.dispose]: () => bare.db.close() }
  try {
    const view = await getView(snapshot.reader, 'delivered')
    const reads = historyReads(snapshot.reader, bare.db, view)
    const figures: Figure[] = []
    for (const read of reads) figures.push(await measureRead(read, isQuick))
    figures.push(await measureVerify(file, bare.db, isQuick))
    return { figures, limits: [], missing: [] }
  } finally {
    snapshot.close()
  }
}

interface Read {
  readonly name: string
  readonly depot: () => Promise<{ length: number }>
  readonly yardstick: () => { length: number }
  readonly repeats: number
}

function historyReads(db: Db, bare: BetterSqlite3.Database, view: View): Read[] {
  const page = bare.prepare(
    `SELECT l.package, l.target, r.ident, p.from_revision, e.at FROM lines l CROSS JOIN pointers p JOIN releases r ON r.id = p.release_id
     JOIN ledger e ON e.view_id = p.view_id AND e.revision = p.from_revision
     WHERE l.view_id = ? AND p.view_id = l.view_id AND p.package_id = l.package_id AND p.target = l.target AND l.package > ?
     AND p.from_revision <= ? AND (p.to_revision IS NULL OR p.to_revision > ?) ORDER BY l.package, l.target LIMIT ?`,
  )
  const different = (narrowed: string) =>
    bare.prepare(
      `SELECT p.package_id, a.ident, b.ident AS other FROM pointers p JOIN releases a ON a.id = p.release_id
       LEFT JOIN pointers q ON q.view_id = p.view_id AND q.package_id = p.package_id AND q.target = p.target AND q.to_revision IS NULL
       LEFT JOIN releases b ON b.id = q.release_id
       WHERE p.view_id = $view AND p.from_revision <= $revision AND (p.to_revision IS NULL OR p.to_revision > $revision) AND b.ident IS NOT a.ident
       ${narrowed} LIMIT $limit`,
    )
  const all = different('')
  const changed = different('AND p.package_id IN (SELECT package_id FROM members WHERE view_id = $view AND from_revision > $revision)')
  const asked = (revision: number, limit: number) => ({ view: view.id, revision, limit })
  const middle = REVISIONS / 2
  const now = { view, revision: view.revision }
  const diffFrom = (revision: number, limit: number) => listDifferences(db, { from: { view, revision }, to: now }, { limit }, EVERYONE)
  const after = 'acme/lib05000'
  return [
    {
      name: `content at a revision, a page of ${PAGE}`,
      depot: () => listPointersAt(db, view, middle, { limit: PAGE, after: [after, TARGET] }, EVERYONE),
      yardstick: () => page.all(view.id, after, middle, middle, PAGE),
      repeats: 50,
    },
    { name: 'diff since 50 revisions ago', depot: () => diffFrom(view.revision - 50, 1_000), yardstick: () => changed.all(asked(view.revision - 50, 1_000)), repeats: 10 },
    { name: `diff since ${middle} revisions ago, a page of ${PAGE}`, depot: () => diffFrom(middle, PAGE), yardstick: () => all.all(asked(middle, PAGE)), repeats: 10 },
    { name: 'diff in which few of 10,000 differ after 2,000 revisions', depot: () => diffFrom(view.revision - 2_000, 1_000), yardstick: () => all.all(asked(view.revision - 2_000, 1_000)), repeats: 2 },
  ]
}

async function measureRead({ name, depot, yardstick, repeats }: Read, isQuick: boolean): Promise<Figure> {
  const timed = async (read: () => unknown) => {
    const begun = performance.now()
    for (let repeat = 0; repeat < repeats; repeat += 1) await read()
    return (performance.now() - begun) / repeats
  }
  const found = { depot: (await depot()).length, yardstick: yardstick().length }
  if (found.depot !== found.yardstick) throw new Error(`${name}: the depot finds ${found.depot} and the yardstick ${found.yardstick}`)
  const samples = await byTurns(isQuick ? 5 : 15, { depot: () => timed(depot), yardstick: () => timed(yardstick) })
  return { name, unit: 'ms', depot: spreadOf(samples.depot), yardstick: { name: 'a prepared statement', ...spreadOf(samples.yardstick) } }
}

async function measureVerify(file: string, bare: BetterSqlite3.Database, isQuick: boolean): Promise<Figure> {
  const count = Number(bare.prepare('SELECT count(*) FROM ledger').pluck().get())
  const per10000 = (begun: number) => ((performance.now() - begun) / count) * 10_000
  const samples = await byTurns(isQuick ? 3 : 7, {
    depot: async () => {
      const begun = performance.now()
      const snapshot = openSnapshot(file)
      const { findingCount } = await verifyDepot(snapshot.reader)
      snapshot.close()
      if (findingCount > 0) throw new Error(`verify found ${findingCount} differences in what the bench made`)
      return per10000(begun)
    },
    yardstick: async () => {
      const begun = performance.now()
      let hash = ''
      for (const { salt, text } of bare.prepare<[], { salt: string; text: string }>('SELECT salt, text FROM ledger ORDER BY sequence').iterate()) {
        hash = createHash('sha256').update(hash + createHash('sha256').update(salt + text).digest('hex')).digest('hex')
      }
      return per10000(begun)
    },
  })
  return { name: 'verify, 10,000 entries', unit: 'ms', depot: spreadOf(samples.depot), yardstick: { name: 'sha256 of the texts', ...spreadOf(samples.yardstick) } }
}

/**
 * Writes what 10,000 promotions leave, without making them: the first puts every package into the view, and each after it moves one
 * to its other release and back. In the last 2,000 it is always one of the same 40.
 */
async function fill(file: string): Promise<void> {
  const database = openDatabase(file, 1)
  const head = await prepare(database.writable)
  database.close()
  const db = new BetterSqlite3(file)
  db.pragma('synchronous = OFF')
  db.exec('BEGIN')
  writeReleases(db)
  writeRevisions(db, head)
  db.exec('COMMIT; ANALYZE')
  db.close()
}

/** An account, an origin and the view, as they would be in a ledger that has just begun. */
async function prepare(db: Db): Promise<LedgerHead> {
  await db.insertInto('accounts').values({ name: 'admin', email: null, is_administrator: 1, created_at: 1, updated_at: 1 }).execute()
  await db.insertInto('origins').values({ name: 'acme', owner_id: 1, default_visibility: 'public', created_at: 1, updated_at: 1 }).execute()
  await db.insertInto('blobs').values({ checksum: 'none', size_bytes: 1, created_at: 1, unreferenced_since: null }).execute()
  await db.insertInto('views').values({ name: 'delivered', rule: 'promoted', maker: 'depot', revision: REVISIONS, created_at: 1, closed_at: null }).execute()
  const text = JSON.stringify({ at: 1, actor: ACTOR, kind: 'view-created', view: 'delivered', rule: 'promoted', maker: 'depot' })
  const chained = link(await findHead(db), text)
  await db.insertInto('ledger').values({ sequence: 1, at: 1, kind: 'view-created', account_id: null, origin_id: null, view_id: 1, release_id: null, revision: null, text, ...chained }).execute()
  return { sequence: 1, hash: chained.hash, at: 1 }
}

const ACTOR = { client: 'bench', door: 'cli' }
const nameOf = (line: number) => `acme/lib${String(line).padStart(5, '0')}`
const identOf = (line: number, version: number) => `${nameOf(line)}/${version}.0.0/20260101000000`
/** Each line has two releases, side by side. */
const releaseId = (line: number, version: number) => line * 2 + version

function writeReleases(db: BetterSqlite3.Database): void {
  const addPackage = db.prepare('INSERT INTO packages (id, origin_id, name) VALUES (?, 1, ?)')
  const addLine = db.prepare('INSERT INTO lines (view_id, package, target, package_id) VALUES (1, ?, ?, ?)')
  const addRelease = db.prepare(
    `INSERT INTO releases (id, package_id, ident, target, version, order_key, visibility, checksum, size_bytes, signer, is_verified, publisher_id, package_type,
     created_at, updated_at, exposes, deps, tdeps, build_deps, build_tdeps, config, manifest)
     VALUES (?, ?, ?, ?, ?, ?, 'public', 'none', 1, 'acme', 1, 1, 'standard', 1, 1, '[]', '[]', '[]', '[]', '[]', '', ?)`,
  )
  for (let line = 0; line < LINES; line += 1) {
    addPackage.run(line + 1, nameOf(line).slice('acme/'.length))
    addLine.run(nameOf(line), TARGET, line + 1)
    for (const version of [1, 2]) {
      const key = orderKey({ version: `${version}.0.0`, release: '20260101000000' })
      addRelease.run(releaseId(line, version), line + 1, identOf(line, version), TARGET, `${version}.0.0`, key, '# a manifest\n'.repeat(100))
    }
  }
}

function writeRevisions(db: BetterSqlite3.Database, begun: LedgerHead): void {
  const open = db.prepare('INSERT INTO members (view_id, package_id, release_id, from_revision, position) VALUES (1, ?, ?, ?, ?)')
  const close = db.prepare('UPDATE members SET to_revision = ? WHERE view_id = 1 AND package_id = ? AND release_id = ? AND to_revision IS NULL')
  const point = db.prepare('INSERT INTO pointers (view_id, package_id, target, release_id, from_revision) VALUES (1, ?, ?, ?, ?)')
  const unpoint = db.prepare('UPDATE pointers SET to_revision = ? WHERE view_id = 1 AND package_id = ? AND target = ? AND to_revision IS NULL')
  const book = db.prepare("INSERT INTO ledger (sequence, at, kind, view_id, revision, salt, text, digest, hash) VALUES (?, ?, 'promotion', 1, ?, ?, ?, ?, ?)")
  const current = new Map<number, number>()
  let head = begun
  for (let revision = 1; revision <= REVISIONS; revision += 1) {
    const lines = revision === 1 ? Array.from({ length: LINES }, (_, line) => line) : [revision > REVISIONS - 2_000 ? (revision % 40) * 250 : (revision * 7) % LINES]
    const moves = lines.map((line) => ({ line, from: current.get(line), to: current.get(line) === 1 ? 2 : 1 }))
    for (const [position, { line, to }] of moves.entries()) {
      close.run(revision, line + 1, releaseId(line, to))
      unpoint.run(revision, line + 1, TARGET)
      open.run(line + 1, releaseId(line, to), revision, position)
      point.run(line + 1, TARGET, releaseId(line, to), revision)
      current.set(line, to)
    }
    const at = head.at + 1
    const joined = moves.map(({ line, to }) => ({ ident: identOf(line, to), target: TARGET }))
    const pointers = moves.map(({ line, from, to }) => ({ package: nameOf(line), target: TARGET, from: from === undefined ? null : identOf(line, from), to: identOf(line, to) }))
    const text = JSON.stringify({ at, actor: ACTOR, kind: 'promotion', view: 'delivered', revision, act: 'promote', joined, left: [], pointers })
    const { salt, digest, hash } = link(head, text)
    book.run(head.sequence + 1, at, revision, salt, text, digest, hash)
    head = { sequence: head.sequence + 1, hash, at }
  }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureHistory({ isQuick: process.argv.includes('--quick') })))
