import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { sql } from 'kysely'
import { test } from 'tap'
import { openEngine } from '../../../src/database/engine.ts'
import type { Db } from '../../../src/database/database.ts'
import { readMigrations } from '../../../src/database/migrations.ts'
import { migrate } from '../../../src/database/sqlite/migrate.ts'
import { emptyDatabase } from '../../support/test-database.ts'

const FOLDER = join(import.meta.dirname, '../../../migrations')

/** What a database consists of, one line for each column, key, reference and index, sorted. */
type Shape = readonly string[]

interface Column {
  readonly table: string
  readonly name: string
  readonly isNullable: boolean
  readonly hasDefault: boolean
  readonly type: string
}

interface Index {
  readonly table: string
  /** Absent for the index of a key. */
  readonly name: string | undefined
  readonly columns: string
  readonly isUnique: boolean
  readonly isPartial: boolean
}

const ofColumn = ({ table, name, type, isNullable, hasDefault }: Column) =>
  `${table}.${name} ${type}${isNullable ? '' : ' not null'}${hasDefault ? ' default' : ''}`
const ofIndex = ({ table, name, columns, isUnique, isPartial }: Index) =>
  `${table} ${name ?? 'key'} (${columns})${isUnique ? ' unique' : ''}${isPartial ? ' partial' : ''}`

function shapeOf(lines: readonly string[]): Shape {
  return [...new Set(lines)].filter((line) => !line.startsWith('migrations')).toSorted()
}

function shapeInSqlite(): Shape {
  const db = new BetterSqlite3(':memory:')
  migrate(db, readMigrations(join(FOLDER, 'sqlite')), 0)
  const all = <Row>(text: string) => db.prepare<[], Row>(text).all()
  const names = `(SELECT name AS "table", type AS kind FROM sqlite_schema WHERE type IN ('table', 'view')) AS tables`
  const columns = all<{
    table: string
    kind: string
    name: string
    type: string
    notnull: number
    pk: number
    dflt_value: unknown
  }>(`SELECT * FROM ${names} JOIN pragma_table_info("table")`)
  const references = all<Record<string, string>>(
    `SELECT tables."table" AS here, list.* FROM ${names} JOIN pragma_foreign_key_list(tables."table") AS list`,
  )
  const indexes = all<{
    table: string
    name: string
    unique: number
    origin: string
    partial: number
    columns: string
  }>(`SELECT *, (SELECT group_concat(coalesce(info.name, 'expression'), ' ') FROM pragma_index_info(list.name) AS info) AS columns
    FROM ${names} JOIN pragma_index_list("table") AS list`)
  db.close()
  const keys = Map.groupBy(
    columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk),
    ({ table }) => table,
  )
  return shapeOf([
    ...columns.map(({ table, kind, name, type, notnull, pk, dflt_value: value }) =>
      ofColumn({
        table,
        name,
        // Views have no types in SQLite.
        type: kind === 'view' ? '' : type === 'INTEGER' ? 'number' : 'text',
        isNullable: kind === 'view' || (notnull === 0 && pk === 0),
        hasDefault: value !== null,
      }),
    ),
    ...references.map(
      ({ here, from, table, to, on_delete }) => `${here}.${from} -> ${table}.${to} ${on_delete}`,
    ),
    ...[...keys].map(([table, its]) =>
      ofIndex({
        table,
        name: undefined,
        columns: its.map(({ name }) => name).join(' '),
        isUnique: true,
        isPartial: false,
      }),
    ),
    ...indexes.map(({ table, name, unique, origin, partial, columns: of }) =>
      ofIndex({
        table,
        name: origin === 'c' ? name : undefined,
        columns: of,
        isUnique: unique === 1,
        isPartial: partial === 1,
      }),
    ),
  ])
}

async function shapeInPostgres(db: Db): Promise<Shape> {
  const { rows: columns } = await sql<Record<string, string>>`
    select table_name, column_name, data_type, is_nullable, column_default, is_identity, table_type, collation_name
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = 'public'`.execute(db)
  const { rows: references } = await sql<Record<string, string>>`
    select conrelid::regclass::text as here, a.attname as from, confrelid::regclass::text as to, b.attname as column,
      case confdeltype when 'c' then 'CASCADE' else 'NO ACTION' end as on_delete
    from pg_constraint
    join pg_attribute a on a.attrelid = conrelid and a.attnum = conkey[1]
    join pg_attribute b on b.attrelid = confrelid and b.attnum = confkey[1]
    where contype = 'f'`.execute(db)
  const { rows: indexes } = await sql<Record<string, string | number>>`
    select indrelid::regclass::text as table, indexrelid::regclass::text as name, indisunique, indpred is not null as is_partial,
      exists (select 1 from pg_constraint where conindid = indexrelid and contype in ('p', 'u')) as is_key,
      (select string_agg(coalesce(attname, 'expression'), ' ' order by place)
       from unnest(indkey::int[]) with ordinality as keys (number, place)
       left join pg_attribute on attrelid = indrelid and attnum = number and number > 0) as columns
    from pg_index join pg_class on pg_class.oid = indrelid
    where relnamespace = 'public'::regnamespace`.execute(db)
  return shapeOf([
    ...columns.map((column) =>
      ofColumn({
        table: column['table_name'] ?? '',
        name: column['column_name'] ?? '',
        type:
          column['table_type'] === 'VIEW'
            ? ''
            : column['data_type'] === 'bigint'
              ? 'number'
              : `${column['data_type']}${column['collation_name'] === 'C' ? '' : ` in the order of ${column['collation_name']}`}`,
        isNullable: column['is_nullable'] === 'YES',
        hasDefault: column['column_default'] !== null,
      }),
    ),
    ...references.map(
      ({ here, from, to, column, on_delete }) => `${here}.${from} -> ${to}.${column} ${on_delete}`,
    ),
    ...indexes.map(({ table, name, columns: of, indisunique, is_partial, is_key }) =>
      ofIndex({
        table: String(table),
        name: is_key === 1 ? undefined : String(name),
        columns: String(of),
        isUnique: indisunique === 1,
        isPartial: is_partial === 1,
      }),
    ),
  ])
}

test('both engines have the same tables, columns, keys, references and indexes', async (t) => {
  const engine = await openEngine(await emptyDatabase(t))
  await engine.migrate(0)
  const reading = await engine.openReader()
  t.teardown(async () => reading.close())
  const expected = shapeInSqlite()
  t.ok(expected.length > 300)
  t.strictSame(await shapeInPostgres(reading.reader), expected)
  const { rows } = await sql<{
    name: string
  }>`select tgname as name from pg_trigger where not tgisinternal`.execute(reading.reader)
  const sqlite = new BetterSqlite3(':memory:')
  migrate(sqlite, readMigrations(join(FOLDER, 'sqlite')), 0)
  t.strictSame(
    rows.map(({ name }) => name).toSorted(),
    sqlite.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").pluck().all(),
  )
  sqlite.close()
})

test('nodes that migrate at the same time wait for each other, and all find a migrated database', async (t) => {
  const location = await emptyDatabase(t)
  const nodes = await Promise.all(Array.from({ length: 4 }, async () => openEngine(location)))
  t.ok((await nodes[0]?.pendingMigrations())?.length)
  await Promise.all(nodes.map(async (node, index) => node.migrate(index)))
  t.strictSame(await nodes[0]?.pendingMigrations(), [])
})
