import type { Audience } from '../accounts/access.ts'
import { along } from '../database/along.ts'
import type { Db } from '../database/database.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident, PackageName } from '../package/ident.ts'
import type { Page, Slice } from '../releases/list-store.ts'
import { hasVisible, visibleTo } from '../releases/release-store.ts'
import type { Search } from './package-search.ts'
import { isFound } from './words-store.ts'

/** The releases of what is looked for, one line per ident, by ident text ascending. */
export async function searchIdents(db: Db, search: Search, { offset, limit }: Slice, audience: Audience): Promise<Page<Ident>> {
  // Rows are fat with manifests, and a word may be a whole origin's.
  const matching = db
    .selectFrom(along('releases', 'releases_of_package'))
    .where('releases.deleted_at', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .where((eb) => isFound(eb.ref('releases.package_id'), search))
  const { total } = await matching.select((eb) => eb.fn.count<number>('releases.ident').distinct().as('total')).executeTakeFirstOrThrow()
  const rows = await matching.select('releases.ident').groupBy('releases.ident').orderBy('releases.ident').limit(limit).offset(offset).execute()
  return { items: rows.map((row) => parseIdent(row.ident)), total }
}

/** The packages that are looked for and have a release to see, by name and then by origin. */
export async function searchPackages(db: Db, search: Search, { offset, limit }: Slice, audience: Audience): Promise<Page<Pick<PackageName, 'origin' | 'name'>>> {
  const matching = db
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .where((eb) => isFound(eb.ref('packages.id'), search))
    .where((eb) => hasVisible(eb, audience))
  const { total } = await matching.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow()
  const items = await matching.select(['origins.name as origin', 'packages.name']).orderBy('packages.name').orderBy('origins.name').limit(limit).offset(offset).execute()
  return { items, total }
}
