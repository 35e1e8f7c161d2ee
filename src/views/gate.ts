import type { Clock } from '../clock.ts'
import { releaseName } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { PhaseStatus } from './phase.ts'
import type { Effect, Move } from './plan.ts'
import type { Act, View, ViewRelease } from './view.ts'

// What a gate is: a condition on the changes of a view. gates.ts has the gates.

/** The names of gates. `conflict` refuses rollbacks and reverts; see revisions/restore.ts. */
export type GateName =
  | 'rights'
  | 'freeze'
  | 'conflict'
  | 'requires'
  | 'yanked'
  | 'closure'
  | 'downgrade'
  | 'settle'
  | 'approval'

/** A refusal in one sentence. `chain` lists the idents from the requested release to the missing one. */
export interface Refusal {
  /** The gate that refuses. The API and the ledger call it a rule. */
  readonly rule: GateName
  readonly detail: string
  readonly chain?: readonly string[]
  /**
   * The releases that `detail` and `chain` reveal. Only callers who may see all of them get the refusal.
   * Omits the releases of `chain` that the metadata of a listed release names, because everyone who may see
   * the listed release knows them already.
   */
  readonly names?: readonly ReleaseName[]
  /** Nobody can override the refusal. */
  readonly isFinal?: true
  /** The refusal reveals only the origin of `names`, so callers who may see any of them get it. */
  readonly revealsAny?: true
}

/** The caller of a change, with what gates need to know. */
export interface Requester {
  readonly account: string
  /** The groups of the caller's token. Gates name them as `group:NAME`. */
  readonly groups: readonly string[]
  readonly isAdministrator: boolean
  /** Origins in which the caller's role allows promotions. */
  readonly maintains: readonly string[] | 'all'
  /** Origins that the caller's token reaches. */
  readonly reaches: readonly string[] | 'all'
}

/**
 * The state that was read for the gates of a view. The keys of maps are ids of releases, or {@link
 * releaseKey}s.
 */
export interface GateState {
  readonly view: View
  readonly act: Act
  readonly clock: Clock
  /** `undefined` for the depot itself and the operator's shell. */
  readonly requester: Requester | undefined
  /** The author of the proposal that the requester approves. */
  readonly proposer: string | undefined
  /**
   * For each requirement of the view, the time (epoch milliseconds) since when each release, by id, meets it.
   * Releases that do not meet it are absent.
   */
  readonly metSince: readonly ReadonlyMap<number, number>[]
  /**
   * For each requirement of the view, how the phases that it names stand for each release, by id. Releases
   * that belong to no change are absent.
   */
  readonly standings: readonly ReadonlyMap<number, Standing>[]
  /** The moves of `latest` that come too soon after the previous move on their line. */
  readonly unsettled: readonly UnsettledMove[]
  readonly dependencies: Dependencies
  /** By the id of each leaving release, the members that need it. */
  readonly dependents: ReadonlyMap<number, readonly Dependent[]>
}

/** How the required phases stand for a release. */
export type Standing = 'passed' | MissingPhases

/** The newest change of a release, and those of the required phases that have not passed for the release. */
export interface MissingPhases {
  readonly project: string
  readonly change: string
  /** All releases of the change. Only callers who may see them may know of the change. */
  readonly releases: readonly ReleaseName[]
  readonly missing: readonly MissingPhase[]
}

export interface MissingPhase {
  readonly phase: string
  /** `undefined` for a phase that ran once for the change. */
  readonly view: string | undefined
  readonly why: 'unreported' | 'of other builds' | Exclude<PhaseStatus, 'passed'>
}

/** A move of `latest`, and the time (epoch milliseconds) of the previous move on its line. */
export interface UnsettledMove {
  readonly move: Move
  readonly movedAt: number
}

/** A member that needs a leaving release. Refusals do not name it if it is not visible to the caller. */
export interface Dependent {
  readonly release: ViewRelease
  readonly isVisible: boolean
}

/** The dependencies of joining releases, and of the releases that the joining releases need. */
export interface Dependencies {
  /** The transitive dependencies of each release. */
  readonly tdeps: ReadonlyMap<string, readonly string[]>
  /** The direct dependencies of each release. */
  readonly deps: ReadonlyMap<string, readonly string[]>
  /**
   * The ids of the needed releases that are in the depot. Announced releases are not, because only upstream's
   * word says that they exist.
   */
  readonly inDepot: ReadonlyMap<string, number>
  /** The needed releases that are only announced. An announced release that joins needs its own bytes. */
  readonly announced: ReadonlySet<string>
  /** The ids of the needed releases that are in the view before the change. */
  readonly inView: ReadonlySet<number>
}

/** A condition on changes. Returns why it refuses a change; an empty list if it does not. */
export type Gate = (effect: Effect, state: GateState) => Refusal[]

/** Returns the names of the releases that a refusal reveals. */
export function namesOf(...releases: readonly ViewRelease[]): ReleaseName[] {
  return releases.map(releaseName)
}
