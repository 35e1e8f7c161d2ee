import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DepotError } from '../errors.ts'

export interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
  /** Whether the version of the program before this migration also works with the migrated database. */
  readonly isAdditive: boolean
}

/** A migration that was applied to a database. */
export type AppliedMigration = Pick<Migration, 'name' | 'checksum'>

/** The files of additive migrations begin with this. */
const ADDITIVE = '-- additive'

/**
 * Reads the files `NNNN-subject.sql` of a folder in the order of their numbers, which count from `first`
 * without gaps.
 */
export function readMigrations(folder: string, first = 1): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
  return names.map((name, index) => {
    if (Number(name.slice(0, 4)) !== index + first)
      throw new Error(`${join(folder, name)} is out of sequence: its number should be ${index + first}`)
    const sql = readFileSync(join(folder, name), 'utf8')
    const checksum = createHash('sha256').update(sql).digest('hex')
    return { name, sql, checksum, isAdditive: sql.startsWith(ADDITIVE) }
  })
}

/**
 * Returns the migrations that a database lacks. Throws `invalid_request` if the database was made by a later
 * version of this program, or if an applied migration was edited. `applied` is in the order of numbers.
 */
export function pendingAmong(
  applied: readonly AppliedMigration[],
  migrations: readonly Migration[],
): readonly Migration[] {
  if (applied.length > migrations.length)
    throw new DepotError(
      'invalid_request',
      `the database was made by a newer hart-depot: it has ${applied.at(-1)?.name}, which this one does not know. Use the newer one`,
    )
  for (const [index, { name, checksum }] of applied.entries())
    if (migrations[index]?.checksum !== checksum)
      throw new DepotError(
        'invalid_request',
        `the migration ${name} was changed after it was applied to this database`,
      )
  return migrations.slice(applied.length)
}
