import { createHash, randomBytes } from 'node:crypto'
import BetterSqlite3 from 'better-sqlite3'
import { packageOf } from '../../src/package/ident.ts'

// The yardstick of promotions: prepared statements that write the same rows. As a program, `by-hand.ts FILE
// TIMES TOGETHER` promotes one release after another in this database, TOGETHER in each transaction, with a
// savepoint each, and prints a {@link PromotionCost}.

export const ACTOR = { client: 'bench', door: 'cli' } as const
export const VIEW = 'delivered'

export const VERSIONS = ['1.0.0', '2.0.0'] as const
/** The number of clients that promote at once, each its own package. */
export const CLIENTS = 64

export interface Row {
  readonly ident: string
  readonly target: 'x86_64-linux'
}

const WARMING = 4 * CLIENTS

/** The cost of one promotion. */
export interface PromotionCost {
  readonly micros: number
  readonly cpuMicros: number
}

export function rowOf(number: number, version: string): Row {
  return {
    ident: `acme/package-${String(number).padStart(3, '0')}/${version}/20260101000000`,
    target: 'x86_64-linux',
  }
}

/** Writes only the rows of a promotion that moves the pointers of all its releases. */
export function openByHand(file: string): {
  promote(set: readonly Row[]): void
  promoteTogether(sets: readonly Row[][]): void
  /** Whether `latest` answers this release already. */
  isCurrent(row: Row): boolean
} & Disposable {
  const db = new BetterSqlite3(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  const viewOf = db.prepare<[], { id: number; revision: number }>(
    `SELECT id, revision FROM views WHERE name = '${VIEW}'`,
  )
  const headOf = db.prepare<[], { sequence: number; hash: string }>(
    'SELECT sequence, hash FROM ledger ORDER BY sequence DESC LIMIT 1',
  )
  const releaseOf = db.prepare<[string, string], { id: number; package_id: number }>(
    'SELECT id, package_id FROM releases WHERE ident = ? AND target = ? AND deleted_at IS NULL',
  )
  const closeMember = db.prepare(
    'UPDATE members SET to_revision = ? WHERE view_id = ? AND package_id = ? AND release_id = ? AND to_revision IS NULL',
  )
  const openMember = db.prepare('INSERT INTO members VALUES (?, ?, ?, ?, ?, NULL, 0)')
  const closePointer = db.prepare(
    'UPDATE pointers SET to_revision = ? WHERE view_id = ? AND package_id = ? AND target = ? AND to_revision IS NULL',
  )
  const openPointer = db.prepare('INSERT INTO pointers VALUES (?, ?, ?, ?, ?, NULL)')
  const setRevision = db.prepare('UPDATE views SET revision = ? WHERE id = ?')
  const append = db.prepare(
    "INSERT INTO ledger (sequence, at, kind, view_id, revision, salt, text, digest, hash) VALUES (?, ?, 'promotion', ?, ?, ?, ?, ?, ?)",
  )
  const pointerOf = db.prepare<[string, string], { found: number }>(
    // CROSS JOIN keeps this order. Otherwise SQLite reads every pointer that the view ever had.
    `SELECT 1 AS found FROM views CROSS JOIN releases CROSS JOIN pointers INDEXED BY pointers_current
      WHERE views.name = '${VIEW}' AND ident = ? AND releases.target = ? AND deleted_at IS NULL
        AND pointers.view_id = views.id AND pointers.package_id = releases.package_id
        AND pointers.target = releases.target AND pointers.release_id = releases.id AND to_revision IS NULL`,
  )
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
    const text = JSON.stringify({
      at: Date.now(),
      actor: ACTOR,
      kind: 'promotion',
      view: VIEW,
      revision,
      act: 'promote',
      joined: set,
      left: [],
      pointers: set.map(({ ident, target }) => ({
        package: packageOf(ident),
        target,
        from: ident,
        to: ident,
      })),
    })
    const salt = randomBytes(16).toString('hex')
    const digest = createHash('sha256')
      .update(salt + text)
      .digest('hex')
    const hash = createHash('sha256')
      .update(`${head.hash}\n${head.sequence + 1}\n${digest}\n`)
      .digest('hex')
    append.run(head.sequence + 1, Date.now(), id, revision, salt, text, digest, hash)
  })
  const writeTogether = db.transaction((sets: readonly Row[][]) => sets.forEach((set) => write(set)))
  return {
    promote: (set) => write(set),
    promoteTogether: (sets) => writeTogether(sets),
    isCurrent: ({ ident, target }) => pointerOf.get(ident, target) !== undefined,
    [Symbol.dispose]: () => void db.close(),
  }
}

/** Returns the cost of one promotion, measured over several. */
export async function perPromotion(
  times: number,
  act: (number: number) => Promise<unknown>,
): Promise<PromotionCost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let number = 0; number < times; number += 1) await act(number)
  const micros = ((performance.now() - start) * 1_000) / times
  const { user, system } = process.cpuUsage(cpu)
  return { micros, cpuMicros: (user + system) / times }
}

if (process.argv[1] === import.meta.filename) {
  const [file = '', times = '', together = ''] = process.argv.slice(2)
  using hand = openByHand(file)
  const size = Number(together)
  const setOf = (number: number) => [
    rowOf(number % CLIENTS, VERSIONS[Math.floor(number / CLIENTS) % 2] ?? ''),
  ]
  const promote = async (number: number) => {
    if (size === 1) hand.promote(setOf(number))
    else if (number % size === size - 1)
      hand.promoteTogether(Array.from({ length: size }, (_, before) => setOf(number - before)))
  }
  // Warm up, so that the code is compiled.
  await perPromotion(WARMING, promote)
  console.log(JSON.stringify(await perPromotion(Number(times), promote)))
}
