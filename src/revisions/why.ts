import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { formatIdent } from '../package/ident.ts'
import type { Release } from '../releases/release.ts'
import { listViewsOf } from '../releases/release-store.ts'
import { chainTo } from '../views/closure.ts'
import type { View, ViewRelease } from '../views/view.ts'
import { UNSTABLE, keepsMembers } from '../views/view.ts'
import { listDependentMembers, readDependencies } from './dependency-store.ts'
import { findViewRelease } from './member-store.ts'
import { filterVisiblePlans, listWaitingProposals } from './plan-store.ts'
import { isLatestIn } from './pointer-store.ts'
import { releasesIn } from './stored-plan.ts'
import type { StoredPlan } from './stored-plan.ts'
import { listViewsWith } from './view-store.ts'

/** What a release is used for. */
export interface Why {
  readonly views: readonly WhyInView[]
  /** The open proposals that name the release. */
  readonly proposals: readonly StoredPlan[]
}

/** What a release is used for in a view that contains it. */
export interface WhyInView {
  readonly view: View
  /** The revision since which the view contains the release, and its time in epoch milliseconds. */
  readonly sinceRevision: number
  readonly since: number
  readonly isLatest: boolean
  /** Whether the view keeps the release from being deleted. */
  readonly keeps: boolean
  /** From members of the view that need the release, through direct dependencies, to the release. */
  readonly chains: readonly (readonly string[])[]
  /** Whether members that the audience may not see need the release, too. */
  readonly hasHiddenDependents: boolean
}

/**
 * Finds the views that contain a release, the members of these views that need it, and the proposals about
 * it. Leaves out `unstable`, which contains every release.
 */
export async function findWhy(
  db: Db,
  release: Release,
  { audience, now }: { audience: Audience; now: number },
): Promise<Why> {
  const member = await findViewRelease(db, release.ident, release.target)
  const memberships = await listViewsOf(db, release.id)
  const views: WhyInView[] = []
  for (const view of member === undefined ? [] : await listViewsWith(db, member)) {
    const membership = memberships.find(({ name }) => name === view.name)
    if (member === undefined || membership === undefined || view.name === UNSTABLE) continue
    const { revision: sinceRevision, promotedAt: since } = membership
    views.push({ ...(await whyInView(db, view, member, audience)), sinceRevision, since })
  }
  return { views, proposals: await listProposalsOf(db, release, { audience, now }) }
}

async function whyInView(
  db: Db,
  view: View,
  release: ViewRelease,
  audience: Audience,
): Promise<Omit<WhyInView, 'sinceRevision' | 'since'>> {
  const found = await listDependentMembers(db, view.id, [release], audience)
  const dependents = found.get(release.releaseId) ?? []
  const known = dependents.filter(({ isVisible }) => isVisible).map((dependent) => dependent.release)
  const dependencies = await readDependencies(db, view.id, known, audience)
  const needed = formatIdent(release.ident)
  return {
    view,
    isLatest: await isLatestIn(db, view.id, release),
    keeps: keepsMembers(view),
    chains: known.map(({ ident }) => chainTo(needed, formatIdent(ident), release.target, dependencies)),
    hasHiddenDependents: known.length < dependents.length,
  }
}

async function listProposalsOf(
  db: Db,
  { ident, target }: Release,
  { audience, now }: { audience: Audience; now: number },
): Promise<StoredPlan[]> {
  const text = formatIdent(ident)
  const about = (await listWaitingProposals(db, now)).filter(({ effect }) =>
    releasesIn(effect).some((named) => named.ident === text && named.target === target),
  )
  return filterVisiblePlans(db, about, audience)
}
