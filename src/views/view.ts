import { DepotError, quote } from '../errors.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { PastRule, ViewRule } from './rule.ts'
import type { ViewFreeze } from './freeze.ts'

declare const brand: unique symbol

/**
 * A view's name, made by {@link parseViewName}. Names of service groups are allowed, for example
 * `app.production@acme`.
 */
export type ViewName = string & { readonly [brand]: 'ViewName' }

/**
 * Who made a view. `client` means that a Habitat client made the view by creating a channel. Each other
 * origin must then create the channel, too, before its releases are promoted to the view.
 */
export type ViewMaker = 'depot' | 'operator' | 'client'

/** A named set of releases with numbered revisions. Times are epoch milliseconds. */
export interface View {
  readonly id: number
  readonly name: ViewName
  readonly rule: ViewRule
  /** The former rules, oldest first. */
  readonly pastRules: readonly PastRule[]
  readonly maker: ViewMaker
  /** The last revision made; 0 before the first promotion. */
  readonly revision: number
  readonly createdAt: number
  readonly closedAt: number | undefined
  /**
   * Origins that the view does not govern: below its URL, their packages come from the channel in the
   * request.
   */
  readonly ungoverned: readonly string[]
  readonly gates: Gates
  /** The view's own freezes and those of every view. Some may have expired. */
  readonly freezes: readonly ViewFreeze[]
  /** Whether open previews are based on this view. */
  readonly hasPreviews: boolean
  /** For a preview: its base view, and the plan whose effect it shows. */
  readonly preview: { readonly baseId: number; readonly planId: number } | undefined
}

/**
 * The gates of a view, which are conditions on its changes. Administrators set them. An absent one does not
 * apply.
 */
export interface Gates {
  /** Joining releases must be in these other views, optionally for some time. */
  readonly requires?: readonly Requirement[]
  /**
   * All dependencies (TDEPS) of joining releases must be in the depot (`depot`) or in the view (`view`). With
   * `view`, members that other members need may not leave.
   */
  readonly closure?: 'depot' | 'view'
  /** `latest` may not go down, except by a rollback or a revert. */
  readonly downgrade?: 'refuse'
  /**
   * How long `latest` of a package and target must stay after it has moved. Rollbacks and reverts need not
   * wait. See {@link SETTLING_MS}.
   */
  readonly settleMs?: number
  /**
   * If set, only these accounts and administrators of the depot may change the view. They need no roles in
   * origins.
   */
  readonly promoters?: readonly string[]
  /** A second person must approve each change: one of `approvers` or, if absent, anyone who may promote. */
  readonly approval?: { readonly approvers?: readonly string[]; readonly expiresMs: number }
  /** Accounts that may override the gates, besides administrators of the depot. */
  readonly overriders?: readonly string[]
}

/** The condition that a joining release is in another view. */
export interface Requirement {
  readonly view: string
  /** Whether the release must be a member there, or the answer of `latest` there. */
  readonly as: 'member' | 'current'
  /** How long the release must have been a member, or the answer, without interruption until now. */
  readonly soakMs?: number
  /** Phases that must have passed there for exactly this release, in a change to which it belongs. */
  readonly phases?: readonly string[]
}

/**
 * How long Supervisors may take to follow a move of `latest`: they poll each minute, and the members of a
 * rolling group restart one after the other. A move within that time can make several members restart at
 * once.
 */
export const SETTLING_MS = 120_000

/** Reports whether administrators have set gates or freezes of this view. */
export function hasGatesOrFreezes({ gates, freezes }: View): boolean {
  return Object.keys(gates).length > 0 || freezes.some(({ isOfAll }) => !isOfAll)
}

/**
 * The maximum number of releases that one change may move, including moves in previews. Larger changes are
 * refused.
 */
export const MAX_MOVED_RELEASES = 10_000

/** Checks that a change moves at most {@link MAX_MOVED_RELEASES} releases. Throws `too_large`. */
export function expectMovable(
  { name }: Pick<View, 'name'>,
  count: number,
  { previews = 0, act }: { previews?: number; act?: Act } = {},
): void {
  const max = Math.floor(MAX_MOVED_RELEASES / (1 + previews))
  if (count <= max) return
  const besides = previews === 0 ? '' : ` while ${previews} previews follow it`
  const advice =
    act === 'set-rule'
      ? `make another view with that rule, and promote ${name} into it in parts, by origin or name`
      : 'narrow it by origin or name'
  throw new DepotError(
    'too_large',
    `one change of ${name} may move ${max} releases${besides}, and this would move more: ${advice}${previews === 0 ? '' : ', or drop previews'}`,
  )
}

/** The kinds of changes of a view that can be requested. */
export const REQUESTED_ACTS = ['promote', 'demote', 'rollback', 'revert', 'set-rule'] as const
/**
 * The kinds of changes of a view. Each makes a promotion in the ledger. A yank changes every view with the
 * rule `highest` that contains the release; its end changes every view whose `latest` skipped the release.
 */
export const ACTS = [...REQUESTED_ACTS, 'yank', 'unyank'] as const
export type Act = (typeof ACTS)[number]
export type RequestedAct = (typeof REQUESTED_ACTS)[number]

/** The fields of a release that views need. */
export interface ViewRelease {
  readonly releaseId: number
  readonly packageId: number
  readonly originId: number
  readonly ident: Ident
  readonly target: Target
  readonly orderKey: string
  /** The reason, if the release is yanked now. */
  readonly yanked: string | undefined
  /** The reason, if the release is deprecated now. */
  readonly deprecated: string | undefined
}

/**
 * The origins that a new view does not govern. They publish the Supervisor's own binaries (decision 0002).
 */
export const DEFAULT_UNGOVERNED: readonly string[] = ['core', 'chef']

/** Every upload joins this view, and nothing leaves it. `hab` looks for releases there. */
export const UNSTABLE = 'unstable'

export const STABLE = 'stable'

/**
 * Reports whether a view keeps its members from being deleted (habitat-today.md 3.1). Previews and past
 * revisions keep no releases.
 */
export function keepsMembers({ name, rule, gates, preview }: View): boolean {
  if (preview !== undefined) return false
  return (
    name === STABLE || rule === 'promoted' || gates.promoters !== undefined || gates.approval !== undefined
  )
}

/** The channels that every Habitat origin always has (habitat-today.md 3.7). */
export const PERMANENT_CHANNELS: readonly string[] = [UNSTABLE, STABLE]

/** The views of a new depot: a pipeline, and the default channels of hab 1.6, 2.0 and 2.1 (decision 0001). */
export const INITIAL_VIEWS: readonly { readonly name: string; readonly rule: ViewRule }[] = [
  { name: UNSTABLE, rule: 'highest' },
  { name: 'acceptance', rule: 'promoted' },
  { name: 'union', rule: 'promoted' },
  { name: 'rehearsal', rule: 'promoted' },
  { name: 'delivered', rule: 'promoted' },
  { name: STABLE, rule: 'highest' },
  { name: 'base', rule: 'highest' },
]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]*$/
const MAX_NAME_LENGTH = 255

export function isViewName(text: string): text is ViewName {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

/** Parses the name of a view. Throws `invalid_request`. */
export function parseViewName(text: string): ViewName {
  if (isViewName(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a view's name: letters, digits and . _ @ -, starting with a letter or digit, at most ${MAX_NAME_LENGTH}`,
  )
}
