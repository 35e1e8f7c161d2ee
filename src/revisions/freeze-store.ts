import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { findState, setState } from '../database/state-store.ts'
import { visibleTo } from '../releases/visible-store.ts'
import type { PackageFilter } from '../views/change-request.ts'
import type { Freeze } from '../views/freeze.ts'

/** Parses the freezes in a row's text; NULL means none. */
export function parseFreezes(text: string | null | undefined): Freeze[] {
  return text === null || text === undefined ? [] : (JSON.parse(text) as Freeze[])
}

function formatFreezes(freezes: readonly Freeze[]): string | null {
  return freezes.length === 0 ? null : JSON.stringify(freezes)
}

/** Sets the freezes of one view. */
export async function setFreezes(db: Db, viewId: number, freezes: readonly Freeze[]): Promise<void> {
  await db
    .updateTable('views')
    .set({ freeze: formatFreezes(freezes) })
    .where('id', '=', viewId)
    .execute()
}

/** Lists the freezes that apply to every view. */
export async function listCommonFreezes(db: Db): Promise<Freeze[]> {
  return parseFreezes(await findState(db, 'freezes'))
}

/** Sets the freezes that apply to every view. */
export async function setCommonFreezes(db: Db, freezes: readonly Freeze[]): Promise<void> {
  await setState(db, 'freezes', formatFreezes(freezes) ?? undefined)
}

/** Returns the freezes that the audience may see. A freeze that names a hidden package is left out. */
export async function filterVisibleFreezes<F extends PackageFilter>(
  db: Db,
  freezes: readonly F[],
  audience: Audience,
): Promise<F[]> {
  const visible: F[] = []
  for (const freeze of freezes)
    if (freeze.name === undefined || audience.seesAll || (await isPackageVisible(db, freeze, audience)))
      visible.push(freeze)
  return visible
}

async function isPackageVisible(
  db: Db,
  { origin, name = '' }: PackageFilter,
  audience: Audience,
): Promise<boolean> {
  const row = await db
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select('packages.id')
    .where('packages.name', '=', name)
    .$if(origin !== undefined, (query) => query.where('origins.name', '=', origin ?? ''))
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('releases')
          .select('releases.id')
          .whereRef('releases.package_id', '=', 'packages.id')
          .where('releases.deleted_at', 'is', null)
          .where((inner) => visibleTo(inner, audience)),
      ),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
