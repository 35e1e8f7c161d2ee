import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { StablePlanDialect } from '../../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../../src/database/schema.ts'

/** A connection for a writer, whose commits report failure although their rows are in the file. */
export interface FailingCommits {
  readonly db: Kysely<Schema>
  /** Whether commits report failure. */
  isFailing: boolean
  /** Whether the end of the ledger cannot be read. */
  isHeadUnreadable: boolean
}

/** Opens a connection to a migrated database. It is closed when the test ends. */
export function openFailingCommits(t: { teardown(fn: () => void): unknown }, file: string): FailingCommits {
  const connection = new BetterSqlite3(file)
  t.teardown(() => connection.close())
  connection.pragma('foreign_keys = ON')
  const failing: FailingCommits = {
    db: new Kysely<Schema>({ dialect: new StablePlanDialect(connection) }),
    isFailing: false,
    isHeadUnreadable: false,
  }
  const prepare = connection.prepare.bind(connection)
  connection.prepare = ((text: string) => {
    if (failing.isHeadUnreadable && /^select .* from "ledger" order by/.test(text))
      throw new Error('the ledger cannot be read')
    const statement = prepare(text)
    if (text !== 'commit') return statement
    const run = statement.run.bind(statement)
    statement.run = (...parameters: unknown[]) => {
      const result = run(...parameters)
      if (failing.isFailing) throw new Error('the disk did not answer')
      return result
    }
    return statement
  }) as typeof connection.prepare
  return failing
}
