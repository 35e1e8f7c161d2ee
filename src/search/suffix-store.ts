import type { Db } from '../database/database.ts'
import { inserter } from '../database/engine-sql.ts'
import type { PackageName, PackageParts } from '../package/ident.ts'
import { suffixesOf } from './suffixes.ts'
import type { Place, SuffixRange } from './suffixes.ts'

/** Makes a package findable by every part of its origin and name. */
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

/** A place in the order of the table. */
export type SuffixPlace = readonly [place: Place, suffix: string, packageId: number]

/** A suffix of a package. */
export interface SuffixRow extends PackageParts {
  readonly id: number
  readonly at: SuffixPlace
}

/** Lists the suffixes in a range with one place, in order: those after `after`. */
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

/** Follows every character. */
const LAST_CHARACTER = '\u{10FFFF}'
