import { open } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'

/**
 * Overwrites the first page of a table with zeros, as a bad disk would. A connection that has read the table
 * before may not notice.
 */
export async function overwriteTable(dataFolder: string, table: string): Promise<void> {
  const path = join(dataFolder, 'depot.sqlite')
  const connection = new BetterSqlite3(path)
  const pageBytes = Number(connection.pragma('page_size', { simple: true }))
  const page = connection.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table)
  connection.pragma('wal_checkpoint(TRUNCATE)')
  connection.close()
  await using file = await open(path, 'r+')
  await file.write(Buffer.alloc(pageBytes), 0, pageBytes, (Number(page) - 1) * pageBytes)
}
