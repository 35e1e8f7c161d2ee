import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { sql } from 'kysely'
import type { Depot } from '../../src/depot/depot.ts'

const TABLES = [
  'packages',
  'blobs',
  'releases',
  'views',
  'members',
  'pointers',
  'channels',
  'origins',
  'origin_keys',
  'ledger',
]

/**
 * Returns the files of the blob store and the number of rows of each table. A failed change must leave them
 * as they were.
 */
export async function traces(depot: Depot): Promise<{ files: string[]; rows: Record<string, number> }> {
  const { blobFolder } = depot.config
  const entries = await readdir(blobFolder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(blobFolder, join(entry.parentPath, entry.name)))
  const rows: Record<string, number> = {}
  for (const table of TABLES) {
    const counted = await sql<{ n: number }>`SELECT count(*) AS n FROM ${sql.table(table)}`.execute(depot.db)
    rows[table] = counted.rows[0]?.n ?? 0
  }
  return { files: files.toSorted(), rows }
}
