import { sql } from 'kysely'
import type { Expression, SqlBool } from 'kysely'
import type { Db } from '../database/database.ts'
import type { PackageName } from '../package/ident.ts'
import { wordsOf } from './package-search.ts'
import type { Search } from './package-search.ts'

// Packages by their words on SQLite: a full-text index of which only the words are kept (FTS5, contentless).

/** Makes a package findable, from its first release on. */
export async function keepWords(db: Db, packageId: number, name: PackageName): Promise<void> {
  if (
    (await db
      .selectFrom('package_words')
      .select('rowid')
      .where('rowid', '=', packageId)
      .executeTakeFirst()) !== undefined
  )
    return
  await db
    .insertInto('package_words')
    .values({ rowid: packageId, words: wordsOf(name).join(' ') })
    .execute()
}

/** Whether a package is one that is looked for: a condition on the column that holds its id. */
export function isFound(packageId: Expression<number>, search: Search): Expression<SqlBool> {
  const words = [...search.whole.map((word) => `"${word}"`), `"${search.beginning}"*`].join(' AND ')
  return sql<SqlBool>`${packageId} IN (SELECT rowid FROM package_words WHERE package_words MATCH ${words})`
}
