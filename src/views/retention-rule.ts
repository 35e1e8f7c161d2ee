import { DepotError } from '../errors.ts'
import { formatPackageName, originOf } from '../package/ident.ts'
import type { PackageParts } from '../package/ident.ts'

/**
 * Which releases stay although nothing needs them. The rule of the depot, an origin or a package is about
 * releases; the rule of a view is about its members. A release stays if at least one of the fields keeps it.
 */
export interface RetentionRule {
  /** Everything stays. Exempts a package or an origin from a wider rule. */
  readonly keepAll?: true
  /** How many releases of each line stay, the highest ones first. The default is 1. */
  readonly keepLast?: number
  /** Keeps releases that were published, or members that joined, less than this time ago. */
  readonly newerThanMs?: number
  /** Keeps releases that were ever promoted to one of these views. Not for rules of views. */
  readonly promotedTo?: readonly string[]
  /**
   * How long a view keeps releases that left it, or that were its `latest`, so that it can be rolled back.
   * For rules of views alone. The default is {@link DEFAULT_HISTORY_MS}.
   */
  readonly historyMs?: number
}

/** What a rule is about. */
export type RuleScope =
  | { readonly of: 'depot' }
  | { readonly of: 'origin'; readonly origin: string }
  | { readonly of: 'package'; readonly package: string }
  | { readonly of: 'view'; readonly view: string }

const DAY_MS = 24 * 60 * 60_000

/** How long a view keeps releases that left it, unless its rule says otherwise. */
export const DEFAULT_HISTORY_MS = 30 * DAY_MS

/** How long every release stays after it was published, so that pipelines can promote it. */
export const MIN_AGE_MS = DAY_MS

/**
 * How long the daily run keeps all releases in the scope of a rule that was set, changed or removed, so that
 * somebody can look at a dry run first.
 */
export const SETTLED_AFTER_MS = DAY_MS

/**
 * How long a change record keeps its releases after its last report. The newest change of a project keeps its
 * releases longer.
 */
export const CHANGE_KEEPS_MS = 30 * DAY_MS

/** The largest number of releases of a line that a rule can keep. */
export const MAX_KEPT_LAST = 1_000
export const MAX_PERIOD_MS = 3_650 * DAY_MS
export const MAX_VIEWS_OF_RULE = 20

/** Formats a scope as it is stored. */
export function formatScope(scope: RuleScope): string {
  if (scope.of === 'origin') return `origin ${scope.origin}`
  if (scope.of === 'package') return `package ${scope.package}`
  return scope.of === 'view' ? `view ${scope.view}` : 'depot'
}

/** The inverse of {@link formatScope}. */
export function parseScope(text: string): RuleScope {
  const [of = '', name = ''] = text.split(' ', 2)
  if (of === 'origin') return { of, origin: name }
  if (of === 'package') return { of, package: name }
  if (of === 'view') return { of, view: name }
  return { of: 'depot' }
}

/** Returns what a rule is about. An entry of the ledger names nothing for the rule of the depot. */
export function scopeNamed(named: { package?: string; origin?: string; view?: string }): RuleScope {
  if (named.package !== undefined) return { of: 'package', package: named.package }
  if (named.origin !== undefined) return { of: 'origin', origin: named.origin }
  return named.view === undefined ? { of: 'depot' } : { of: 'view', view: named.view }
}

/** Reports whether a rule is about an origin or one of its packages. */
export function isOfOrigin(scope: RuleScope, origin: string): boolean {
  if (scope.of === 'package') return originOf(scope.package) === origin
  return scope.of === 'origin' && scope.origin === origin
}

/** Returns the scopes of the rules for a package, the narrowest first. The first rule that exists counts. */
export function scopesOf(ident: PackageParts): RuleScope[] {
  return [
    { of: 'package', package: formatPackageName(ident) },
    { of: 'origin', origin: ident.origin },
    { of: 'depot' },
  ]
}

/** Throws `invalid_request` if a rule has no field, or has fields that its scope does not allow. */
export function expectRuleFits(rule: RetentionRule, { of }: RuleScope): void {
  const { keepAll, keepLast, newerThanMs, promotedTo, historyMs } = rule
  const others = [keepLast, newerThanMs, promotedTo].filter((field) => field !== undefined).length
  if (of === 'view' && (keepAll === true || promotedTo !== undefined))
    throw unfit('the rule of a view has keep_last, newer_than and history: without the first two, all stay')
  if (of !== 'view' && historyMs !== undefined) throw unfit('only the rule of a view has history')
  if (keepAll === true && others > 0) throw unfit('keep_all keeps everything: leave out the other fields')
  if (keepAll === undefined && others === 0 && historyMs === undefined)
    throw unfit('a rule says what stays: keep_all, keep_last, newer_than, promoted_to or history')
}

/** Describes what a rule keeps: `the last 3, newer than 30d`. */
export function describeRule({
  keepAll,
  keepLast,
  newerThanMs,
  promotedTo,
  historyMs,
}: RetentionRule): string {
  const parts = [
    ...(keepAll === true ? ['everything'] : []),
    ...(keepLast === undefined ? [] : [`the last ${keepLast}`]),
    ...(newerThanMs === undefined ? [] : [`newer than ${formatPeriod(newerThanMs)}`]),
    ...(promotedTo === undefined ? [] : [`ever in ${promotedTo.join(' or ')}`]),
    ...(historyMs === undefined ? [] : [`${formatPeriod(historyMs)} of history`]),
  ]
  return parts.join(', ')
}

/** Formats a period in days, hours, minutes or seconds: `30d`. */
export function formatPeriod(ms: number): string {
  if (ms > 0 && ms % DAY_MS === 0) return `${ms / DAY_MS}d`
  if (ms > 0 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms > 0 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return `${Math.round(ms / 1_000)}s`
}

function unfit(detail: string): DepotError {
  return new DepotError('invalid_request', detail)
}
