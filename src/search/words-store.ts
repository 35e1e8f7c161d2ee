import { sql } from 'kysely'
import type { Expression, SqlBool } from 'kysely'
import type { Db } from '../database/database.ts'
import type { PackageName } from '../package/ident.ts'
import { wordsOf } from './package-search.ts'
import type { Search } from './package-search.ts'

// The words of packages in SQLite's full-text index (FTS5, contentless).

/** Adds a package to the index, if absent. */
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

/** An SQL condition on a package id: the package matches the search. */
export function isFound(packageId: Expression<number>, search: Search): Expression<SqlBool> {
  const words = [...search.whole.map((word) => `"${word}"`), `"${search.beginning}"*`].join(' AND ')
  return sql<SqlBool>`${packageId} IN (SELECT rowid FROM package_words WHERE package_words MATCH ${words})`
}
