import type { ControlledTransaction, Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** The database that a store queries: a read-only connection or the writer's transaction. */
export type Db = Kysely<Schema>

/** A transaction of the writer. */
export type Trx = ControlledTransaction<Schema, string[]>

/** Two connections to one database: `reader` cannot write, `writable` belongs to the writer alone. */
export interface Database {
  readonly reader: Db
  readonly writable: Db
  close(): void
}
