import BetterSqlite3 from 'better-sqlite3'
import pino from 'pino'
import { sqliteFileOf } from '../../src/config/database.ts'
import { readConfig } from '../../src/config/config.ts'
import { openDepot } from '../../src/depot/open.ts'
import { link } from '../../src/ledger/chain.ts'
import { orderKey } from '../../src/package/version.ts'
import { suffixesOf } from '../../src/search/suffixes.ts'
import { ACTOR } from '../yardsticks/by-hand.ts'
import { TARGET, TOKEN } from '../clients/publisher.ts'

// Writes the rows of many uploads and promotions directly. Rows, ledger and hash chain are the same as after
// real commands, so `hart-depot verify` reports only the missing files.

export interface Size {
  readonly releases: number
  readonly packages: number
  /** 20 unless given. */
  readonly origins?: number
  /** The views besides `unstable`. 20 unless given. */
  readonly views?: number
}

const ORIGINS = 20
const VIEWS = 20
/**
 * The packages that are promoted together at first, and the releases that are promoted one by one afterwards.
 */
const SET = 100
const LATER_MOVES = 1_000
const FIRST_DAY = 20_260_101

export const originOf = (n: number, origins = ORIGINS) => `origin${String(n % origins).padStart(2, '0')}`
export const packageOf = (n: number, origins = ORIGINS) =>
  `${originOf(n, origins)}/package${String(n).padStart(5, '0')}`
/** The version and the ident of the nth release of a package. */
export const versionOf = (nth: number) => `1.${nth}.0`
export const identOf = (n: number, nth: number, origins = ORIGINS) =>
  `${packageOf(n, origins)}/${versionOf(nth)}/${FIRST_DAY}000000`
export const viewOf = (n: number) => `view${String(n).padStart(2, '0')}`

/** Makes a data folder with `size` releases. Each view has every package. */
export async function fill(dataFolder: string, size: Size): Promise<void> {
  const depot = await openDepot(readConfig({ DEPOT_DATA: dataFolder, DEPOT_ADMIN_TOKEN: TOKEN }), {
    log: pino({ level: 'silent' }),
    inProcess: true,
  })
  const { origins = ORIGINS, views = VIEWS } = size
  for (let n = 0; n < origins; n += 1)
    await depot.writer.submit({
      kind: 'createOrigin',
      input: { name: originOf(n, origins), ownerId: 1 },
      actor: ACTOR,
    })
  for (let n = 0; n < views; n += 1)
    await depot.writer.submit({
      kind: 'createView',
      input: { name: viewOf(n), rule: 'promoted', maker: 'operator' },
      actor: ACTOR,
    })
  const file = sqliteFileOf(depot.config)
  await depot.close()
  const db = new BetterSqlite3(file)
  db.pragma('journal_mode = OFF')
  db.pragma('synchronous = OFF')
  db.pragma('cache_size = -1000000')
  db.exec('BEGIN')
  // Indexes and triggers are created at the end, which is faster.
  const triggers = db
    .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    .all()
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`)
  const indexes = db
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('releases', 'members', 'pointers', 'ledger')",
    )
    .all()
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`)
  const rows = new Rows(db, origins)
  publishAll(rows, db, { ...size, origins })
  for (let n = 0; n < views; n += 1) promoteAll(rows, db, viewOf(n), n, size)
  for (const { sql } of [...indexes, ...triggers]) db.exec(sql)
  // Every release is public and has one target.
  db.exec(`
    INSERT INTO ident_counts SELECT package_id, 0, count(*), count(*) FROM releases GROUP BY package_id;
    INSERT INTO ident_counts SELECT package_id, view_id, count(*), count(*) FROM members WHERE to_revision IS NULL GROUP BY package_id, view_id;
    INSERT INTO storage
    SELECT totals.package_id, totals.origin_id, '1970-01', sum(idents), sum(idents)
    FROM ident_counts JOIN storage_totals AS totals ON totals.counted_id = ident_counts.package_id
    WHERE view_id = 0
    GROUP BY totals.package_id, totals.origin_id`)
  db.exec('COMMIT')
  db.close()
}

function publishAll(
  rows: Rows,
  db: BetterSqlite3.Database,
  { releases, packages, origins }: Size & { origins: number },
): void {
  const originIds = new Map(
    db
      .prepare<[], { id: number; name: string }>('SELECT id, name FROM origins')
      .all()
      .map(({ id, name }) => [name, id]),
  )
  const unstable = rows.view('unstable')
  const addPackage = db.prepare('INSERT INTO packages (id, origin_id, name) VALUES (?, ?, ?)')
  const addWords = db.prepare('INSERT OR IGNORE INTO package_words (package_id, word) VALUES (?, ?)')
  const addSuffix = db.prepare('INSERT INTO package_suffixes (place, suffix, package_id) VALUES (?, ?, ?)')
  const addBlob = db.prepare('INSERT INTO blobs (checksum, size_bytes, created_at) VALUES (?, 1, 1)')
  const addRelease = db.prepare(
    `INSERT INTO releases (id, package_id, ident, target, version, order_key, visibility, checksum, size_bytes, signer, is_verified, publisher_id, package_type,
     created_at, updated_at, exposes, deps, tdeps, build_deps, build_tdeps, config, manifest)
     VALUES (?, ?, ?, ?, ?, ?, 'public', ?, 1, 'signer', 1, 1, 'standard', 1, 1, '[]', '[]', '[]', '[]', '[]', '', ?)`,
  )
  const manifest = '# what a package says of itself\n'.repeat(10)
  for (let n = 0; n < packages; n += 1) {
    addPackage.run(n + 1, originIds.get(originOf(n, origins)), packageOf(n, origins).split('/')[1])
    const [origin = '', name = ''] = packageOf(n, origins).split('/')
    for (const word of [origin, name]) addWords.run(n + 1, word)
    for (const { place, suffix } of suffixesOf({ origin, name })) addSuffix.run(place, suffix, n + 1)
  }
  for (let made = 0; made < releases; made += 1) {
    const [n, nth] = [made % packages, Math.floor(made / packages)]
    const ident = identOf(n, nth, origins)
    const checksum = made.toString(16).padStart(64, '0')
    addBlob.run(checksum)
    addRelease.run(
      made + 1,
      n + 1,
      ident,
      TARGET,
      versionOf(nth),
      orderKey({ version: versionOf(nth), release: `${FIRST_DAY}000000` }),
      checksum,
      manifest,
    )
    rows.book(
      {
        kind: 'release-published',
        ident,
        target: TARGET,
        checksum,
        sizeBytes: 1,
        signer: 'signer',
        isVerified: true,
        visibility: 'public',
      },
      { originId: originIds.get(originOf(n, origins)) ?? 0 },
    )
    unstable.promote([{ n, nth, releaseId: made + 1 }], 'upload')
  }
  unstable.close()
}

/** Promotes every package in sets, and then one release after another. */
function promoteAll(
  rows: Rows,
  db: BetterSqlite3.Database,
  name: string,
  salt: number,
  { releases, packages }: Size,
): void {
  const view = rows.view(name)
  const ofPackage = Math.floor(releases / packages)
  const pick = (n: number, turn: number) => {
    const nth = (n + salt + turn) % ofPackage
    return { n, nth, releaseId: nth * packages + n + 1 }
  }
  for (let n = 0; n < packages; n += SET)
    view.promote(Array.from({ length: Math.min(SET, packages - n) }, (_, i) => pick(n + i, 0)))
  if (ofPackage > 1)
    for (let move = 0; move < LATER_MOVES; move += 1)
      view.promote([pick((move * 7) % packages, 1 + Math.floor((move * 7) / packages))])
  db.prepare(
    'INSERT OR IGNORE INTO channels (origin_id, view_id, owner_id, is_declared, created_at, updated_at) SELECT id, ?, 1, 0, 1, 1 FROM origins',
  ).run(view.id)
  view.close()
}

interface Picked {
  readonly n: number
  readonly nth: number
  readonly releaseId: number
}

/** Appends rows to the ledger and to views. */
class Rows {
  readonly #db: BetterSqlite3.Database
  readonly #add: BetterSqlite3.Statement
  readonly #origins: number
  #head: { sequence: number; hash: string; at: number }

  constructor(db: BetterSqlite3.Database, origins: number) {
    this.#db = db
    this.#origins = origins
    this.#add = db.prepare(
      'INSERT INTO ledger (sequence, at, kind, origin_id, view_id, revision, salt, text, digest, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#head = db
      .prepare<[], { sequence: number; hash: string; at: number }>(
        'SELECT sequence, hash, at FROM ledger ORDER BY sequence DESC LIMIT 1',
      )
      .get() ?? { sequence: 0, hash: '', at: 0 }
  }

  book(
    event: Readonly<Record<string, unknown>> & { readonly kind: string },
    of: { originId?: number; viewId?: number; revision?: number },
  ): void {
    const at = this.#head.at + 1
    const text = JSON.stringify({ at, actor: ACTOR, ...event })
    const { salt, digest, hash } = link(this.#head, text, '0'.repeat(32))
    this.#head = { sequence: this.#head.sequence + 1, hash, at }
    this.#add.run(
      this.#head.sequence,
      at,
      event.kind,
      of.originId ?? null,
      of.viewId ?? null,
      of.revision ?? null,
      salt,
      text,
      digest,
      hash,
    )
  }

  view(name: string): {
    readonly id: number
    promote(picked: readonly Picked[], cause?: 'upload'): void
    close(): void
  } {
    const db = this.#db
    const origins = this.#origins
    const { id } = db.prepare<[string], { id: number }>('SELECT id FROM views WHERE name = ?').get(name) ?? {
      id: 0,
    }
    const endMember = db.prepare(
      `UPDATE members SET to_revision = ? WHERE view_id = ${id} AND package_id = ? AND release_id = ? AND to_revision IS NULL`,
    )
    const addMember = db.prepare(
      `INSERT INTO members (view_id, package_id, release_id, from_revision, position) VALUES (${id}, ?, ?, ?, ?)`,
    )
    const endPointer = db.prepare(
      `UPDATE pointers SET to_revision = ? WHERE view_id = ${id} AND package_id = ? AND target = '${TARGET}' AND to_revision IS NULL`,
    )
    const addPointer = db.prepare(
      `INSERT INTO pointers (view_id, package_id, target, release_id, from_revision) VALUES (${id}, ?, '${TARGET}', ?, ?)`,
    )
    const addLine = db.prepare(
      `INSERT INTO lines (view_id, package, target, package_id) VALUES (${id}, ?, '${TARGET}', ?)`,
    )
    const latest = new Map<number, string>()
    const members = new Set<number>()
    let revision = 0
    return {
      id,
      promote: (picked, cause) => {
        revision += 1
        const pointers = []
        for (const [position, { n, nth, releaseId }] of picked.entries()) {
          if (members.has(releaseId)) endMember.run(revision, n + 1, releaseId)
          members.add(releaseId)
          addMember.run(n + 1, releaseId, revision, position)
          const from = latest.get(n)
          if (from === undefined) addLine.run(packageOf(n, origins), n + 1)
          else endPointer.run(revision, n + 1)
          addPointer.run(n + 1, releaseId, revision)
          latest.set(n, identOf(n, nth, origins))
          pointers.push({
            package: packageOf(n, origins),
            target: TARGET,
            from: from ?? null,
            to: identOf(n, nth, origins),
          })
        }
        const joined = picked.map(({ n, nth }) => ({ ident: identOf(n, nth, origins), target: TARGET }))
        this.book(
          {
            kind: 'promotion',
            view: name,
            revision,
            act: 'promote',
            ...(cause && { cause }),
            joined,
            left: [],
            pointers,
          },
          { viewId: id, revision },
        )
      },
      close: () => void db.prepare('UPDATE views SET revision = ? WHERE id = ?').run(revision, id),
    }
  }
}
