import { sql } from 'kysely'
import type { AliasedExpression, Selectable } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * A table as it is read by way of one of its indexes. SQLite is told nothing of how many rows there are, and may take a way through all that
 * a view ever held for one that is as short; a statement for which this way is none fails.
 */
export function usingIndex<Table extends keyof Schema>(
  table: Table,
  index: string,
): AliasedExpression<Selectable<Schema[Table]>, Table> {
  return sql<Selectable<Schema[Table]>>`${sql.table(table)}`.as<Table>(
    sql`${sql.id(table)} indexed by ${sql.id(index)}`,
  )
}
