import { DepotError, quote } from '../errors.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { PastRule, ViewRule } from './rule.ts'
import type { ViewFreeze } from './freeze.ts'

declare const brand: unique symbol

/** A view's name, which only {@link parseViewName} makes. Wide enough for a service group's, `app.production@acme`. */
export type ViewName = string & { readonly [brand]: 'ViewName' }

/** Who made a view. One that only Habitat clients made needs to be made by each origin before it promotes there. */
export type ViewMaker = 'depot' | 'operator' | 'client'

export interface View {
  readonly id: number
  readonly name: ViewName
  readonly rule: ViewRule
  /** The rules before that, oldest first. */
  readonly pastRules: readonly PastRule[]
  readonly maker: ViewMaker
  /** The last revision made; 0 before the first promotion. */
  readonly revision: number
  readonly createdAt: number
  readonly closedAt: number | undefined
  /** Origins of which, below the view's URL, the channel asked for has what the view does not have. */
  readonly ungoverned: readonly string[]
  readonly gates: Gates
  /** Its own and, where it can be frozen, those of every view; some may be over. */
  readonly freezes: readonly ViewFreeze[]
  /** Of a preview: the view it shows, and the plan whose effect it shows there. */
  readonly preview: { readonly baseId: number; readonly planId: number } | undefined
}

/** The rules of a view, as its administrators set them; an absent one does not hold. */
export interface Gates {
  /** What joins must be, or have been for some time, in other views. */
  readonly requires?: readonly Requirement[]
  /** Every dependency (TDEPS) of what joins must be in the depot or, strictest, in the view; and what is needed stays. */
  readonly closure?: 'depot' | 'view'
  /** `latest` does not go down, but for a rollback or a revert, which say so by their names. */
  readonly downgrade?: 'refuse'
  /** Accounts that may change the view, whatever their roles in origins; nobody else but administrators of the depot may then. */
  readonly promoters?: readonly string[]
  /** A change is proposed by one person and approved by another: by one of these or, when absent, by anyone who may promote. */
  readonly approval?: { readonly approvers?: readonly string[]; readonly expiresMs: number }
  /** Accounts that may break the glass, besides administrators of the depot. */
  readonly overriders?: readonly string[]
}

export interface Requirement {
  readonly view: string
  /** A member there, or what `latest` there answers. */
  readonly as: 'member' | 'current'
  /** Without a break until now. */
  readonly soakMs?: number
}

/** Whether administrators set anything that a view is to be changed by. */
export function isRuled({ gates, freezes }: View): boolean {
  return Object.keys(gates).length > 0 || freezes.some(({ isOfAll }) => !isOfAll)
}

/** Releases that one change of a view may move, those that previews move with it included: a larger set is refused, not cut. */
export const MOST_MOVED = 10_000

/** Throws `too_large`. */
export function expectMovable(
  { name }: Pick<View, 'name'>,
  count: number,
  { previews = 0, act }: { previews?: number; act?: Act } = {},
): void {
  const most = Math.floor(MOST_MOVED / (1 + previews))
  if (count <= most) return
  const besides = previews === 0 ? '' : ` while ${previews} previews follow it`
  const advice =
    act === 'set-rule'
      ? `make another view with that rule, and promote ${name} into it in parts, by origin or name`
      : 'narrow it by origin or name'
  throw new DepotError(
    'too_large',
    `one change of ${name} may move ${most} releases${besides}, and this would move more: ${advice}${previews === 0 ? '' : ', or drop previews'}`,
  )
}

/** What is done to a view; going back to a revision, taking one back and setting the rule are promotions as any other. */
export const ACTS = ['promote', 'demote', 'rollback', 'revert', 'set-rule'] as const
export type Act = (typeof ACTS)[number]

/** A release as views handle it. */
export interface ViewRelease {
  readonly releaseId: number
  readonly packageId: number
  readonly originId: number
  readonly ident: Ident
  readonly target: Target
  readonly orderKey: string
}

/** The origins that a new view does not govern: the Supervisor's own binaries live there (decision 0002). */
export const FIRST_UNGOVERNED: readonly string[] = ['core', 'chef']

/** Every upload joins it, and nothing leaves: `hab` looks for releases there. */
export const UNSTABLE = 'unstable'

export const STABLE = 'stable'

/** The channels that every Habitat origin has, and keeps (habitat-today.md 3.7). */
export const STAYING_CHANNELS: readonly string[] = [UNSTABLE, STABLE]

/** Present from the first start: the pipeline, and the default channels of hab 1.6, 2.0 and 2.1 (decision 0001). */
export const FIRST_VIEWS: readonly { readonly name: string; readonly rule: ViewRule }[] = [
  { name: UNSTABLE, rule: 'highest' },
  { name: 'acceptance', rule: 'promoted' },
  { name: 'union', rule: 'promoted' },
  { name: 'rehearsal', rule: 'promoted' },
  { name: 'delivered', rule: 'promoted' },
  { name: STABLE, rule: 'highest' },
  { name: 'base', rule: 'highest' },
]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]*$/
const LONGEST_NAME = 255

export function isViewName(text: string): text is ViewName {
  return text.length <= LONGEST_NAME && NAME.test(text)
}

/** Throws `invalid_request`. */
export function parseViewName(text: string): ViewName {
  if (isViewName(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a view's name: letters, digits and . _ @ -, starting with a letter or digit, at most ${LONGEST_NAME}`,
  )
}
