import { UNRESTRICTED_AUDIENCE } from '../access/access.ts'
import type { MirrorConfig } from '../config/upstream-config.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { Depot } from '../depot/depot.ts'
import { findOrigin, listUpstreamOrigins } from '../origins/origin-store.ts'
import { originOf, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { readDependencies } from '../revisions/dependency-store.ts'
import { listFirstMembers, listLatestOf } from '../revisions/mirrored-store.ts'
import { findView } from '../revisions/view-store.ts'
import type { View, ViewRelease } from '../views/view.ts'

/**
 * Lists the releases of upstream origins that a mirror should keep here and that are not here: the newest
 * ones of its channels, and everything that these and the packages of its views depend on. Views and channels
 * that do not exist are left out.
 */
export async function planMirror(
  { config, db }: Pick<Depot, 'config' | 'db'>,
  mirror: MirrorConfig,
): Promise<ReleaseName[]> {
  const listed = new Set(config.upstream?.origins)
  const origins = new Set((await listUpstreamOrigins(db)).filter((origin) => listed.has(origin)))
  const missing = new Map<string, ReleaseName>()
  for (const batch of inBatches(await listKept(db, mirror))) {
    const { tdeps, inDepot } = await readDependencies(db, undefined, batch, UNRESTRICTED_AUDIENCE)
    for (const release of batch)
      for (const ident of tdeps.get(releaseKey(release)) ?? []) {
        const name = { ident, target: release.target }
        if (!inDepot.has(releaseKey(name)) && origins.has(originOf(ident)))
          missing.set(releaseKey(name), name)
      }
  }
  return [...missing.values()]
}

/** Lists the releases that the mirror keeps with their dependencies, first of channels and then of views. */
async function listKept(db: Db, { channels, views, targets, newest }: MirrorConfig): Promise<ViewRelease[]> {
  const kept: ViewRelease[] = []
  for (const { origin, channel } of channels) {
    const view = await findOpenView(db, channel)
    const found = await findOrigin(db, origin)
    if (view !== undefined && found !== undefined)
      kept.push(...(await listFirstMembers(db, view, { originId: found.id, targets, count: newest })))
  }
  for (const name of views) {
    const view = await findOpenView(db, name)
    if (view !== undefined) kept.push(...(await listLatestOf(db, { viewId: view.id, targets })))
  }
  return kept
}

/** Lists the views that the settings name and that do not exist. */
export async function listAbsentViews(db: Db, { views }: Pick<MirrorConfig, 'views'>): Promise<string[]> {
  const absent: string[] = []
  for (const name of views) if ((await findOpenView(db, name)) === undefined) absent.push(name)
  return absent
}

async function findOpenView(db: Db, name: string): Promise<View | undefined> {
  const view = await findView(db, name)
  return view?.closedAt === undefined ? view : undefined
}
