import BetterSqlite3 from 'better-sqlite3'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import type { Db } from '../../src/database/database.ts'
import { link } from '../../src/ledger/chain.ts'
import type { LedgerHead } from '../../src/ledger/chain.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { orderKey } from '../../src/package/version.ts'

export const LINES = 10_000
export const REVISIONS = 10_000
export const TARGET = 'x86_64-linux'

/**
 * Writes the rows of 10,000 promotions directly. The first promotes every package, and each later one moves
 * one package to its other release or back. The last 2,000 move only 40 packages.
 */
export async function fillWithHistory(file: string): Promise<void> {
  const database = await new SqliteEngine(file).open(1)
  const head = await prepare(database.writable)
  await database.close()
  const db = new BetterSqlite3(file)
  db.pragma('synchronous = OFF')
  db.exec('BEGIN')
  writeReleases(db)
  writeRevisions(db, head)
  db.exec('COMMIT; ANALYZE')
  db.close()
}

/** Writes an account, an origin and the view, and their ledger entries. */
async function prepare(db: Db): Promise<LedgerHead> {
  await db
    .insertInto('accounts')
    .values({ name: 'admin', email: null, is_administrator: 1, created_at: 1, updated_at: 1 })
    .execute()
  await db
    .insertInto('origins')
    .values({ name: 'acme', owner_id: 1, default_visibility: 'public', created_at: 1, updated_at: 1 })
    .execute()
  await db
    .insertInto('views')
    .values({
      name: 'delivered',
      rule: 'promoted',
      maker: 'depot',
      revision: REVISIONS,
      created_at: 1,
      closed_at: null,
    })
    .execute()
  const text = JSON.stringify({
    at: 1,
    actor: ACTOR,
    kind: 'view-created',
    view: 'delivered',
    rule: 'promoted',
    maker: 'depot',
  })
  const chained = link(await findHead(db), text)
  await db
    .insertInto('ledger')
    .values({
      sequence: 1,
      at: 1,
      kind: 'view-created',
      account_id: null,
      origin_id: null,
      view_id: 1,
      release_id: null,
      revision: null,
      text,
      ...chained,
    })
    .execute()
  return { sequence: 1, hash: chained.hash, at: 1 }
}

const ACTOR = { client: 'bench', door: 'cli' }
/** The package of a line, as origin/name. */
export const nameOf = (line: number) => `acme/lib${String(line).padStart(5, '0')}`
const identOf = (line: number, version: number) => `${nameOf(line)}/${version}.0.0/20260101000000`
/** Writes two releases for each package. */
const releaseId = (line: number, version: number) => line * 2 + version

function writeReleases(db: BetterSqlite3.Database): void {
  const addPackage = db.prepare('INSERT INTO packages (id, origin_id, name) VALUES (?, 1, ?)')
  const addLine = db.prepare('INSERT INTO lines (view_id, package, target, package_id) VALUES (1, ?, ?, ?)')
  const addRelease = db.prepare(
    `INSERT INTO releases (id, package_id, ident, target, version, order_key, visibility, checksum, size_bytes, signer, is_verified, publisher_id, package_type,
     created_at, updated_at, exposes, deps, tdeps, build_deps, build_tdeps, config, manifest)
     VALUES (?, ?, ?, ?, ?, ?, 'public', ?, 1, 'acme', 1, 1, 'standard', 1, 1, '[]', '[]', '[]', '[]', '[]', '', ?)`,
  )
  const addBlob = db.prepare('INSERT INTO blobs (checksum, size_bytes, created_at) VALUES (?, 1, 1)')
  const addWords = db.prepare('INSERT OR IGNORE INTO package_words (package_id, word) VALUES (?, ?)')
  for (let line = 0; line < LINES; line += 1) {
    addPackage.run(line + 1, nameOf(line).slice('acme/'.length))
    for (const word of nameOf(line).split('/')) addWords.run(line + 1, word)
    addLine.run(nameOf(line), TARGET, line + 1)
    for (const version of [1, 2]) {
      const key = orderKey({ version: `${version}.0.0`, release: '20260101000000' })
      const checksum = releaseId(line, version).toString(16).padStart(64, '0')
      addBlob.run(checksum)
      addRelease.run(
        releaseId(line, version),
        line + 1,
        identOf(line, version),
        TARGET,
        `${version}.0.0`,
        key,
        checksum,
        '# a manifest\n'.repeat(100),
      )
    }
  }
}

function writeRevisions(db: BetterSqlite3.Database, begun: LedgerHead): void {
  const open = db.prepare(
    'INSERT INTO members (view_id, package_id, release_id, from_revision, position) VALUES (1, ?, ?, ?, ?)',
  )
  const close = db.prepare(
    'UPDATE members SET to_revision = ? WHERE view_id = 1 AND package_id = ? AND release_id = ? AND to_revision IS NULL',
  )
  const point = db.prepare(
    'INSERT INTO pointers (view_id, package_id, target, release_id, from_revision) VALUES (1, ?, ?, ?, ?)',
  )
  const unpoint = db.prepare(
    'UPDATE pointers SET to_revision = ? WHERE view_id = 1 AND package_id = ? AND target = ? AND to_revision IS NULL',
  )
  const book = db.prepare(
    "INSERT INTO ledger (sequence, at, kind, view_id, revision, salt, text, digest, hash) VALUES (?, ?, 'promotion', 1, ?, ?, ?, ?, ?)",
  )
  const current = new Map<number, number>()
  let head = begun
  for (let revision = 1; revision <= REVISIONS; revision += 1) {
    const lines =
      revision === 1
        ? Array.from({ length: LINES }, (_, line) => line)
        : [revision > REVISIONS - 2_000 ? (revision % 40) * 250 : (revision * 7) % LINES]
    const moves = lines.map((line) => ({
      line,
      from: current.get(line),
      to: current.get(line) === 1 ? 2 : 1,
    }))
    for (const [position, { line, to }] of moves.entries()) {
      close.run(revision, line + 1, releaseId(line, to))
      unpoint.run(revision, line + 1, TARGET)
      open.run(line + 1, releaseId(line, to), revision, position)
      point.run(line + 1, TARGET, releaseId(line, to), revision)
      current.set(line, to)
    }
    const at = head.at + 1
    const joined = moves.map(({ line, to }) => ({ ident: identOf(line, to), target: TARGET }))
    const pointers = moves.map(({ line, from, to }) => ({
      package: nameOf(line),
      target: TARGET,
      from: from === undefined ? null : identOf(line, from),
      to: identOf(line, to),
    }))
    const text = JSON.stringify({
      at,
      actor: ACTOR,
      kind: 'promotion',
      view: 'delivered',
      revision,
      act: 'promote',
      joined,
      left: [],
      pointers,
    })
    const { salt, digest, hash } = link(head, text)
    book.run(head.sequence + 1, at, revision, salt, text, digest, hash)
    head = { sequence: head.sequence + 1, hash, at }
  }
}
