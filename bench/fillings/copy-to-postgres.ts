import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import BetterSqlite3 from 'better-sqlite3'
import { COPIED_TABLES } from '../../src/database/copied-tables.ts'

// Copies the rows of a depot on SQLite to a migrated database of PostgreSQL by COPY. It compares nothing, so it is
// many times faster than `hart-depot move`.

type Row = readonly (string | number | null)[]

const ROWS_OF_A_PIECE = 1_000

/** `file` is the SQLite file. `url` is that of a superuser's connection, so that triggers and references rest. */
export async function copyToPostgres(file: string, url: string): Promise<void> {
  const db = new BetterSqlite3(file, { readonly: true })
  try {
    const indexes = await query(
      url,
      `select indexdef from pg_indexes join pg_class on relname = indexname join pg_index on indexrelid = pg_class.oid
       where schemaname = current_schema() and not indisunique`,
    )
    await query(
      url,
      `do $$ declare name text; begin
         for name in select indexrelid::regclass from pg_index join pg_class on pg_class.oid = indrelid
           where relnamespace = current_schema()::regnamespace and not indisunique
         loop execute 'drop index ' || name; end loop; end $$`,
    )
    await query(url, `truncate ${COPIED_TABLES.join(', ')}`)
    for (const table of COPIED_TABLES) {
      const columns = db
        .prepare<[string], { name: string }>('SELECT name FROM pragma_table_info(?)')
        .all(table)
      const names = columns.map(({ name }) => `"${name}"`).join(', ')
      const rows = db.prepare<[], Row>(`SELECT ${names} FROM ${table}`).raw().iterate()
      await copyIn(url, table, names, rows)
    }
    for (const definition of indexes.split('\n').filter((line) => line !== '')) await query(url, definition)
    await query(url, 'vacuum analyze')
  } finally {
    db.close()
  }
}

async function copyIn(url: string, table: string, names: string, rows: Iterable<Row>): Promise<void> {
  const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', url]
  const commands = ['set session_replication_role = replica', `\\copy ${table} (${names}) from pstdin csv`]
  const psql = spawn('psql', [...args, ...commands.flatMap((text) => ['-c', text])], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = once(psql, 'exit')
  await pipeline(Readable.from(lines(rows)), psql.stdin)
  const [code] = (await ended) as [number | null]
  if (code !== 0) throw new Error(`psql ended with ${code} at the table ${table}`)
}

function* lines(rows: Iterable<Row>): Generator<string> {
  let piece: string[] = []
  for (const row of rows) {
    piece.push(`${row.map(formatValue).join(',')}\n`)
    if (piece.length < ROWS_OF_A_PIECE) continue
    yield piece.join('')
    piece = []
  }
  yield piece.join('')
}

/** An absent value is empty, and a text is quoted. */
function formatValue(value: string | number | null): string {
  return typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value ?? '')
}

async function query(url: string, sql: string): Promise<string> {
  const { stdout } = await promisify(execFile)('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', sql, url])
  return stdout
}
