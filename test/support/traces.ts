import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { sql } from 'kysely'
import type { Depot } from '../../src/depot/open.ts'

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

/** All that a depot holds: the files of its blob store, and how many rows each table has. What failed leaves them as they were. */
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
