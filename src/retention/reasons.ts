import type { Audience } from '../access/access.ts'
import { listVisibleIds } from '../changes/change-store.ts'
import type { Db } from '../database/database.ts'
import { formatIdent, releaseKey, releaseName } from '../package/ident.ts'
import { listHidden, readDependencies } from '../revisions/dependency-store.ts'
import { filterVisiblePlans, findPlan } from '../revisions/plan-store.ts'
import { chainTo } from '../views/closure.ts'
import { findCandidates, listNeeding } from './candidate-store.ts'
import { readKeepers } from './keepers-store.ts'
import { listNeeds } from './needs-store.ts'
import type { Need } from './needs-store.ts'
import type { ReleaseName } from '../package/ident.ts'

/** A reason why a release is needed. */
export interface ReasonChain {
  /** What needs the first release of the chain; `undefined` if nothing needs it, and it is only published. */
  readonly need: Need | undefined
  /** From the needed release, through direct dependencies, to the release in question. */
  readonly idents: readonly string[]
}

/** Why a release is needed, as far as an audience may know. */
export interface Reasons {
  readonly chains: readonly ReasonChain[]
  /** Whether there are more chains than {@link MAX_CHAINS}. */
  readonly hasMore: boolean
  /** Whether there are reasons that the audience may not see. */
  readonly hasHidden: boolean
}

/** The maximum number of chains, and of dependent releases whose needs are read to find them. */
const MAX_CHAINS = 50

/**
 * Finds everything that needs a release: what needs the release itself, and what needs the releases that
 * depend on it.
 */
export async function findReasons(
  db: Db,
  name: ReleaseName,
  { audience, now }: { audience: Audience; now: number },
): Promise<Reasons> {
  const [release] = await findCandidates(db, [name])
  if (release === undefined) return { chains: [], hasMore: false, hasHidden: false }
  const all = await listNeeding(db, release, MAX_CHAINS + 1)
  const hiddenNames = await listHidden(
    db,
    all.map((needing) => releaseName(needing)),
    audience,
  )
  const known = all.slice(0, MAX_CHAINS).filter((needing) => !hiddenNames.has(releaseKey(needing)))
  const needs = await listNeeds(db, await readKeepers(db, now), [release, ...known])
  const dependencies = await readDependencies(db, undefined, known, audience)
  let hasHidden = hiddenNames.size > 0
  const chains: ReasonChain[] = []
  for (const needing of [release, ...known]) {
    const listed = needs.get(needing.releaseId) ?? []
    const visible = await filterVisible(db, listed, audience)
    hasHidden ||= visible.length < listed.length
    const ident = formatIdent(needing.ident)
    const idents = needing === release ? [ident] : chainTo(name.ident, ident, name.target, dependencies)
    if (needing !== release && listed.length === 0) chains.push({ need: undefined, idents })
    for (const need of visible) chains.push({ need, idents })
  }
  const hasMore = all.length > MAX_CHAINS || chains.length > MAX_CHAINS
  return { chains: chains.slice(0, MAX_CHAINS), hasMore, hasHidden }
}

/** Leaves out the proposals and changes that the audience may not see. */
async function filterVisible(db: Db, needs: readonly Need[], audience: Audience): Promise<Need[]> {
  if (audience.seesAll) return [...needs]
  const visible: Need[] = []
  for (const need of needs) if (await isVisible(db, need, audience)) visible.push(need)
  return visible
}

async function isVisible(db: Db, need: Need, audience: Audience): Promise<boolean> {
  if (need.kind === 'change') return (await listVisibleIds(db, [need.record], audience)).size > 0
  if (need.kind !== 'proposal') return true
  const plan = await findPlan(db, need.plan)
  return plan !== undefined && (await filterVisiblePlans(db, [plan], audience)).length > 0
}
