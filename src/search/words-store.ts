import { expressionBuilder } from 'kysely'
import type { Expression, SqlBool } from 'kysely'
import type { Db } from '../database/database.ts'
import { inserter } from '../database/engine-sql.ts'
import type { Schema } from '../database/schema.ts'
import type { PackageName } from '../package/ident.ts'
import { wordsOf } from './package-search.ts'
import type { Search } from './package-search.ts'

/** Stores the words of a package's origin and name for Builder's search. Safe to repeat. */
export async function insertWords(db: Db, packageId: number, name: PackageName): Promise<void> {
  const words = new Set(wordsOf(name))
  await insertRows(
    db,
    [...words].map((word) => ({ word })),
    { package_id: packageId },
  )
}

const insertRows = inserter('package_words', ['word'], { shared: ['package_id'], onConflict: 'keep' })

/**
 * Returns an SQL condition: the package with this id has all whole words of the search, and a word that
 * starts with `beginning`.
 */
export function matchesSearch(
  packageId: Expression<number>,
  { whole, beginning }: Search,
): Expression<SqlBool> {
  const eb = expressionBuilder<Schema>()
  const found = eb.selectFrom('package_words').select('package_words.package_id')
  return eb.and([
    ...whole.map((word) => eb(packageId, 'in', found.where('package_words.word', '=', word))),
    eb(
      packageId,
      'in',
      found
        .where('package_words.word', '>=', beginning)
        .where('package_words.word', '<', `${beginning}${LAST_CHARACTER}`),
    ),
  ])
}

/**
 * The character that sorts after all others. All words that start with a text sort before the text with this
 * character.
 */
const LAST_CHARACTER = '\u{10FFFF}'
