import { sql } from 'kysely'
import type { ExpressionBuilder, SelectQueryBuilder } from 'kysely'
import type { Audience, Visibility } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { compareReleases } from '../package/version.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident, Line, PackageParts } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { NAME_ORDER, countedIn, pageOfIdents, visibleIdents } from './ident-count-store.ts'
import type { Packages, Page, Slice } from './ident-count-store.ts'
import { NO_MARKS, countMarks } from './mark-store.ts'
import type { MarkCounts } from './mark-store.ts'
import { hasVisible, holdsAt, visible, visibleTo } from './visible-store.ts'

// Queries for Habitat's lists (habitat-today.md 3.1, 3.2 and 6, Lists). Text is sorted bytewise; only
// versions are sorted as versions.

/**
 * An ident in a list, with the targets that it was published for and the open views that have it for any
 * target.
 */
export interface ListedIdent {
  readonly ident: Ident
  readonly targets: readonly Target[]
  readonly views: readonly string[]
}

/** A package in a list, with the targets and open views of all its releases. */
export interface ListedPackage {
  readonly package: PackageParts
  readonly targets: readonly Target[]
  readonly views: readonly string[]
  /** How many of its visible releases are yanked or deprecated. */
  readonly marks: MarkCounts
}

/** The releases of one version of a package that have the same visibility. */
export interface ListedVersion {
  readonly version: string
  readonly releases: number
  /** The highest release, the fourth part of an ident. */
  readonly latest: string
  readonly targets: readonly Target[]
  readonly visibility: Visibility
}

/**
 * The parts of `origin`, `origin/name` or `origin/name/version`, not validated. An unknown or invalid prefix
 * matches nothing.
 */
export type IdentPrefix = readonly string[]

/** Lists the published idents below a prefix, by text in descending order, as in Builder. */
export async function listIdents(
  db: Db,
  prefix: IdentPrefix,
  slice: Slice,
  audience: Audience,
): Promise<Page<ListedIdent>> {
  const [, , version] = prefix
  const { items, total } =
    version === undefined
      ? await pageOfIdents(
          db,
          packagesBelow(db, prefix).orderBy(NAME_ORDER, 'desc'),
          { ...slice, order: 'desc' },
          audience,
        )
      : await pageOfDistinct(below(visible(db, audience), prefix), slice, 'desc')
  return { items: await describeIdents(db, items, audience), total }
}

/** Selects the packages of an origin, or the one package, that a prefix names. */
export function packagesBelow(db: Db, [origin = '', name]: IdentPrefix): Packages {
  return db
    .selectFrom('origins')
    .crossJoin('packages')
    .whereRef('packages.origin_id', '=', 'origins.id')
    .where('origins.name', '=', origin)
    .$if(name !== undefined, (query) => query.where('packages.name', '=', name ?? ''))
}

/**
 * Returns a page of the distinct idents of a query, by text. Runs the query twice; counting the total reads
 * all of it.
 */
async function pageOfDistinct(
  matching: SelectQueryBuilder<Schema, 'releases', object>,
  { offset, limit }: Slice,
  order: 'asc' | 'desc' = 'asc',
): Promise<Page<string>> {
  const { total } = await matching
    .select((eb) => eb.fn.count<number>('releases.ident').distinct().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await matching
    .select('releases.ident')
    .groupBy('releases.ident')
    .orderBy('releases.ident', order)
    .limit(limit)
    .offset(offset)
    .execute()
  return { items: rows.map(({ ident }) => ident), total }
}

/** Lists the packages with a visible release below a prefix, by name. */
export async function listPackages(
  db: Db,
  prefix: IdentPrefix,
  { offset, limit }: Slice,
  audience: Audience,
): Promise<Page<ListedPackage>> {
  const [origin = '', , version] = prefix
  const packages = packagesBelow(db, prefix)
  const matching =
    version === undefined
      ? countedIn(packages, {}, audience)
      : packages.where((eb) => hasVisible(eb, audience, version))
  const { total } = await matching
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await matching
    .select(['packages.id', 'packages.name'])
    .orderBy('packages.name')
    .limit(limit)
    .offset(offset)
    .execute()
  const named = rows.map(({ id, name }) => ({ id, origin, name }))
  return { items: await describePackages(db, named, audience), total }
}

/** Lists the versions of a package, highest first. */
export async function listVersions(
  db: Db,
  { origin, name }: PackageParts,
  audience: Audience,
): Promise<ListedVersion[]> {
  const rows = await db
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .innerJoin(usingIndex('releases', 'releases_of_package'), 'releases.package_id', 'packages.id')
    .select(['releases.ident', 'releases.version', 'releases.visibility', 'releases.target'])
    .where('origins.name', '=', origin)
    .where('packages.name', '=', name)
    .where('releases.deleted_at', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .execute()
  const groups = Map.groupBy(rows, (row) => `${row.version} ${row.visibility}`)
  const versions = [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const all = [first, ...others]
    const stamps = all.map((row) => parseIdent(row.ident).release).toSorted()
    const targets = [...new Set(all.map((row) => row.target))].toSorted()
    return [
      {
        version: first.version,
        releases: all.length,
        latest: stamps.at(-1) ?? '',
        targets,
        visibility: first.visibility,
      },
    ]
  })
  return versions.toSorted(
    (a, b) =>
      compareReleases({ version: b.version, release: '' }, { version: a.version, release: '' }) ||
      (a.visibility < b.visibility ? 1 : -1),
  )
}

/**
 * Selects members: those of one view now, those of one view at a revision, or a mix of two views. The mix has
 * the members of `viewId` on the given lines, and those of `otherId` on all other lines.
 */
export type MembersOf =
  | number
  | { readonly viewId: number; readonly revision: number }
  | { readonly viewId: number; readonly otherId: number; readonly lines: readonly Line[] }

/** Lists the idents of a view's members below a prefix, by text. */
export async function listIdentsInView(
  db: Db,
  of: MembersOf,
  prefix: IdentPrefix,
  slice: Slice,
  audience: Audience,
): Promise<Page<Ident>> {
  const [origin = '', name, version] = prefix
  if (typeof of === 'number' && version === undefined) {
    const packages = packagesBelow(db, prefix).orderBy(NAME_ORDER)
    const { items, total } = await pageOfIdents(db, packages, { ...slice, viewId: of }, audience)
    return { items: items.map(parseIdent), total }
  }
  const revision = typeof of === 'object' && 'revision' in of ? of.revision : undefined
  const matching = db
    .selectFrom('origins')
    .crossJoin('packages')
    .crossJoin(revision === undefined ? usingIndex('members', 'members_current') : 'members')
    .crossJoin('releases')
    .where('origins.name', '=', origin)
    .whereRef('packages.origin_id', '=', 'origins.id')
    .$if(name !== undefined, (query) => query.where('packages.name', '=', name ?? ''))
    .where((eb) =>
      typeof of === 'number'
        ? eb('members.view_id', '=', of)
        : 'lines' in of
          ? isInMix(eb, of)
          : eb('members.view_id', '=', of.viewId),
    )
    .whereRef('members.package_id', '=', 'packages.id')
    .where((eb) => holdsAt(eb, revision))
    .whereRef('releases.id', '=', 'members.release_id')
    .where('releases.deleted_at', 'is', null)
    .$if(version !== undefined, (query) => query.where('releases.version', '=', version ?? ''))
    .where((eb) => visibleTo(eb, audience))
  const { items, total } = await pageOfDistinct(matching, slice)
  return { items: items.map(parseIdent), total }
}

/** Returns an SQL condition on `members`: the member belongs to the mix of two views. */
function isInMix(
  eb: ExpressionBuilder<Schema, 'origins' | 'packages' | 'members' | 'releases'>,
  { viewId, otherId, lines }: Extract<MembersOf, { lines: unknown }>,
) {
  const line = sql<string>`${eb.ref('origins.name')} || '/' || ${eb.ref('packages.name')} || ' ' || ${eb.ref('releases.target')}`
  return eb.and([
    eb('members.view_id', 'in', [viewId, otherId]),
    eb('members.view_id', '=', eb.case().when(line, 'in', lines).then(viewId).else(otherId).end()),
  ])
}

/**
 * Restricts a query to idents below a prefix. They are one range of the index on `ident`, from `prefix/` to
 * `prefix0`, because `0` follows `/` in ASCII.
 */
function below(query: ReturnType<typeof visible>, prefix: IdentPrefix): ReturnType<typeof visible> {
  const text = prefix.join('/')
  return query.where('releases.ident', '>', `${text}/`).where('releases.ident', '<', `${text}0`)
}

/** The maximum number of idents or packages that one query describes. */
const MAX_BATCH_SIZE = 500

/**
 * A table with every target. Looking for one release of each target costs less than reading all releases of a
 * package to find its targets.
 */
const EVERY_TARGET = sql<{ target: Target }>`(${sql.raw(
  TARGETS.map((target) => `SELECT '${target}' AS target`).join(' UNION ALL '),
)})`.as<'targets'>('targets')

/** Parses idents, and adds their targets and the open views that have them. */
async function describeIdents(db: Db, idents: readonly string[], audience: Audience): Promise<ListedIdent[]> {
  const described: ListedIdent[] = []
  for (const batch of inBatches(idents, MAX_BATCH_SIZE)) {
    const rows = await visible(db, audience)
      .leftJoin('members', (on) =>
        on.onRef('members.release_id', '=', 'releases.id').on('members.to_revision', 'is', null),
      )
      .leftJoin('views', 'views.id', 'members.view_id')
      .select(['releases.ident', 'releases.target', 'views.name as view'])
      .where('releases.ident', 'in', batch)
      .execute()
    const byIdent = Map.groupBy(rows, (row) => row.ident)
    for (const text of batch) described.push({ ident: parseIdent(text), ...gather(byIdent.get(text) ?? []) })
  }
  return described
}

/** Adds to packages their targets, and the views that have members of them. */
export async function describePackages(
  db: Db,
  packages: readonly (PackageParts & { readonly id: number })[],
  audience: Audience,
): Promise<ListedPackage[]> {
  const rows: { package_id: number; target: Target | null; view: string | null }[] = []
  const packageIds = packages.map(({ id }) => id)
  for (const batch of inBatches(packageIds, MAX_BATCH_SIZE)) {
    const targets = await db
      .selectFrom('packages')
      .crossJoin(EVERY_TARGET)
      .select(['packages.id as package_id', 'targets.target'])
      .where('packages.id', 'in', batch)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom(usingIndex('releases', 'releases_of_package'))
            .select('releases.id')
            .whereRef('releases.package_id', '=', 'packages.id')
            .whereRef('releases.target', '=', 'targets.target')
            .where('releases.deleted_at', 'is', null)
            .where((inner) => visibleTo(inner, audience)),
        ),
      )
      .execute()
    const views = await db
      .selectFrom('ident_counts')
      .innerJoin('packages', 'packages.id', 'ident_counts.package_id')
      .innerJoin('origins', 'origins.id', 'packages.origin_id')
      .innerJoin('views', 'views.id', 'ident_counts.view_id')
      .select(['ident_counts.package_id', 'views.name as view'])
      .where('ident_counts.package_id', 'in', batch)
      .where((eb) => eb(visibleIdents(eb, audience), '>', 0))
      .execute()
    rows.push(
      ...targets.map((row) => ({ ...row, view: null })),
      ...views.map((row) => ({ ...row, target: null })),
    )
  }
  const byPackage = Map.groupBy(rows, (row) => row.package_id)
  const marks = await countMarks(db, packageIds, audience)
  return packages.map(({ id, origin, name }) => ({
    package: { origin, name },
    ...gather(byPackage.get(id) ?? []),
    marks: marks.get(id) ?? NO_MARKS,
  }))
}

/** Returns the distinct targets and views of rows, sorted. */
function gather(rows: readonly { target: Target | null; view: string | null }[]): {
  targets: Target[]
  views: string[]
} {
  const targets = new Set(rows.flatMap((row) => row.target ?? []))
  const views = new Set(rows.flatMap((row) => row.view ?? []))
  return { targets: [...targets].toSorted(), views: [...views].toSorted() }
}
