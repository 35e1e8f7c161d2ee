import type { Db } from '../database/database.ts'
import { inserter } from '../database/engine-sql.ts'
import type { PackageName, PackageParts } from '../package/ident.ts'
import { suffixesOf } from './suffixes.ts'
import type { Place, SuffixRange } from './suffixes.ts'

/** Stores the suffixes by which a search finds any part of a package's origin and name. Safe to repeat. */
export async function insertSuffixes(db: Db, packageId: number, name: PackageName): Promise<void> {
  await insertRows(
    db,
    suffixesOf(name).map(({ place, suffix }) => ({ place, suffix })),
    { package_id: packageId },
  )
}

const insertRows = inserter('package_suffixes', ['place', 'suffix'], {
  shared: ['package_id'],
  onConflict: 'keep',
})

/** The primary key of a row, which is also its position in lists. */
export type SuffixPlace = readonly [place: Place, suffix: string, packageId: number]

/** A row of the table, with the package to which it belongs. */
export interface SuffixRow extends PackageParts {
  /** The id of the package. */
  readonly id: number
  readonly at: SuffixPlace
}

/**
 * Lists at most `limit` rows of one place in a range, sorted by suffix and package id. Begins after `after`
 * if that row has this place, and otherwise at the beginning of the range.
 */
export async function listSuffixes(
  db: Db,
  { beginning, isWhole }: SuffixRange,
  { place, after, limit }: { place: Place; after: SuffixPlace | undefined; limit: number },
): Promise<SuffixRow[]> {
  const [, suffix, packageId] = after?.[0] === place ? after : [place, beginning, 0]
  const rows = await db
    .selectFrom('package_suffixes as suffixes')
    .innerJoin('packages', 'packages.id', 'suffixes.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select(['suffixes.suffix', 'suffixes.package_id as id', 'origins.name as origin', 'packages.name'])
    .where('suffixes.place', '=', place)
    .where('suffixes.suffix', '>=', suffix)
    .where('suffixes.suffix', '<=', isWhole ? beginning : `${beginning}${LAST_CHARACTER}`)
    .where((eb) => eb.or([eb('suffixes.suffix', '>', suffix), eb('suffixes.package_id', '>', packageId)]))
    .orderBy('suffixes.suffix')
    .orderBy('suffixes.package_id')
    .limit(limit)
    .execute()
  return rows.map(({ suffix: found, ...row }) => ({ ...row, at: [place, found, row.id] }))
}

/** The character that sorts after all others. */
const LAST_CHARACTER = '\u{10FFFF}'
