import { DepotError } from '../errors.ts'

/** Where the database of a depot is. Can be sent to another thread. */
export interface DatabaseLocation {
  readonly engine: 'sqlite'
  readonly file: string
}

/** Returns the file of the database. Throws `invalid_request` if the database is on a server. */
export function sqliteFileOf({ database }: { readonly database: DatabaseLocation }): string {
  if (database.engine === 'sqlite') return database.file
  throw new DepotError('invalid_request', 'this works only on a database in SQLite')
}
