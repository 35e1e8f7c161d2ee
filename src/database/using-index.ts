import { sql } from 'kysely'
import type { AliasedExpression, Selectable } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * A table that SQLite must read through the given index. Without statistics, SQLite may choose an index that scans
 * everything a view ever held. A statement that cannot use the index fails.
 */
export function usingIndex<Table extends keyof Schema>(
  table: Table,
  index: string,
): AliasedExpression<Selectable<Schema[Table]>, Table> {
  return sql<Selectable<Schema[Table]>>`${sql.table(table)}`.as<Table>(
    sql`${sql.id(table)} indexed by ${sql.id(index)}`,
  )
}
