import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { DepotError } from '../errors.ts'
import type { Db } from './database.ts'
import { inserter } from './engine-sql.ts'
import { COPIED_TABLES, KEYS } from './copied-tables.ts'
import type { CopiedTable } from './copied-tables.ts'

/** The rows of one table, counted and hashed in the order of its primary key. */
export interface TableSum {
  readonly table: CopiedTable
  readonly rows: number
  /** SHA-256 in hex, over each row as JSON in a line. Equal on all engines for equal rows. */
  readonly hash: string
}

type Value = string | number | null
type Row = Readonly<Record<string, Value>>

/** The limits of a page: rows, and bytes of the texts in {@link LONG_TEXTS}, without the last row. */
const PAGE_ROWS = 500
const PAGE_BYTES = 4 * 1024 * 1024
/** Columns whose texts may have megabytes. */
const LONG_TEXTS: Partial<Record<CopiedTable, readonly string[]>> = {
  ledger: ['text'],
  idempotency_keys: ['outcome'],
  plans: ['request', 'effect'],
  releases: ['manifest', 'config'],
}

/**
 * Empties all tables of `to`, which must be a transaction of {@link Engine.load}, and copies all rows of
 * `from` there. Then reads the copy again, compares the sums of both, and returns them. Calls `onRows` with
 * the number of rows of each piece that was written or read again. Throws `conflict` if a table differs.
 */
export async function copyRows(
  from: Db,
  to: Db,
  onRows: (rows: number) => void = () => undefined,
): Promise<readonly TableSum[]> {
  const written = await writeRows(from, to, onRows)
  const read = await sumRows(to, onRows)
  const differing = written.filter(({ hash }, index) => hash !== read[index]?.hash)
  if (differing.length > 0)
    throw new DepotError(
      'conflict',
      `the rows of ${differing.map(({ table }) => table).join(', ')} differ after they were copied, so they were not kept`,
    )
  return written
}

async function writeRows(from: Db, to: Db, onRows: (rows: number) => void): Promise<readonly TableSum[]> {
  const columns = await readColumns(from)
  for (const table of COPIED_TABLES) await to.deleteFrom(table).execute()
  return sumTables(from, columns, async (table, rows) => {
    const insert = inserter(table, (columns.get(table) ?? []) as never[])
    await insert(to, rows, {})
    onRows(rows.length)
  })
}

/** Counts and hashes all rows of all tables. Calls `onRows` like {@link copyRows}. */
export async function sumRows(
  db: Db,
  onRows: (rows: number) => void = () => undefined,
): Promise<readonly TableSum[]> {
  return sumTables(db, await readColumns(db), async (_table, rows) => onRows(rows.length))
}

/** Counts all rows of all tables. */
export async function countRows(db: Db): Promise<number> {
  let rows = 0
  for (const table of COPIED_TABLES) {
    const { count } = await db
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    rows += count
  }
  return rows
}

async function sumTables(
  db: Db,
  columns: ReadonlyMap<string, readonly string[]>,
  onPage: (table: CopiedTable, rows: readonly Row[]) => Promise<void>,
): Promise<readonly TableSum[]> {
  const sums: TableSum[] = []
  for (const table of COPIED_TABLES) {
    const ofTable = columns.get(table) ?? []
    const hash = createHash('sha256')
    let rows = 0
    for await (const page of ofTable.length === 0 ? [] : pagesOf(db, table, ofTable)) {
      for (const row of page) hash.update(`${JSON.stringify(ofTable.map((column) => row[column]))}\n`)
      await onPage(table, page)
      rows += page.length
    }
    sums.push({ table, rows, hash: hash.digest('hex') })
  }
  return sums
}

/** Yields the rows of a table in the order of its primary key. */
async function* pagesOf(
  db: Db,
  table: CopiedTable,
  columns: readonly string[],
): AsyncGenerator<readonly Row[]> {
  const key = KEYS[table]
  const refs = sql.join(key.map((column) => sql.ref(column)))
  for (let last: Row | undefined; ;) {
    const after = last && sql`where (${refs}) > (${sql.join(key.map((column) => last?.[column]))})`
    const read = (selected: RawBuilder<unknown>, limit: number) =>
      sql<Row>`
      select ${selected} from ${sql.table(table)}
      ${after ?? sql``} order by ${refs} limit ${sql.lit(limit)}`.execute(db)
    const long = LONG_TEXTS[table]?.map((column) => sql`coalesce(octet_length(${sql.ref(column)}), 0)`)
    const sizes = long && (await read(sql`${sql.join(long, sql` + `)} as bytes`, PAGE_ROWS)).rows
    const { rows } = await read(sql.join(columns.map((column) => sql.ref(column))), rowsOfPage(sizes))
    if (rows.length === 0) return
    yield rows
    last = rows.at(-1)
  }
}

/** Returns how many rows fill a page. */
function rowsOfPage(sizes: readonly Row[] | undefined): number {
  let remaining = PAGE_BYTES
  const filling = sizes?.findIndex(({ bytes }) => (remaining -= Number(bytes)) <= 0) ?? -1
  return filling === -1 ? PAGE_ROWS : filling + 1
}

/**
 * Returns the names of all columns of each table, in alphabetical order, and none of a table without rows.
 * Takes them from a row, because the catalog of PostgreSQL also has tables of these names in other schemas.
 */
async function readColumns(db: Db): Promise<ReadonlyMap<string, readonly string[]>> {
  const columns = new Map<string, readonly string[]>()
  for (const table of COPIED_TABLES) {
    const { rows } = await sql<Row>`select * from ${sql.table(table)} limit 1`.execute(db)
    columns.set(table, Object.keys(rows[0] ?? {}).toSorted())
  }
  return columns
}
