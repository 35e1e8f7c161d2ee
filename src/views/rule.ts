// The rule of a view says what `latest` means there. A view has one rule at each of its revisions.

/** What `latest` means: the member promoted last, or the member with the highest version. */
export const VIEW_RULES = ['promoted', 'highest'] as const
export type ViewRule = (typeof VIEW_RULES)[number]

/**
 * Reports whether `latest` skips a release that joins under this rule. Under `promoted`, `latest` skips no
 * release that joins, not even a yanked one that a rollback or a revert brings back.
 */
export function skips(rule: ViewRule, { yanked }: { readonly yanked: string | undefined }): boolean {
  return rule === 'highest' && yanked !== undefined
}

/** A former rule of a view. */
export interface PastRule {
  readonly rule: ViewRule
  /** The first revision at which the next rule holds. */
  readonly until: number
  /** Whether the view was closed, and opened again with the next rule. Then no revision set that rule. */
  readonly isReopened?: true
}

/** The present rule of a view, and its former rules, oldest first. */
interface Rules {
  readonly rule: ViewRule
  readonly pastRules: readonly PastRule[]
}

/** Returns the rule that holds at a revision. */
export function ruleAt({ rule, pastRules }: Rules, revision: number): ViewRule {
  return pastRules.find(({ until }) => revision < until)?.rule ?? rule
}

/** Returns the periods of a view's rules, oldest first. A period includes `from` and excludes `until`. */
export function periodsOf({
  rule,
  pastRules,
}: Rules): { rule: ViewRule; from: number; until: number | undefined }[] {
  const starts = [0, ...pastRules.map(({ until }) => until)]
  return [...pastRules.map((past) => past.rule), rule].map((ruleOfPeriod, index) => ({
    rule: ruleOfPeriod,
    from: starts[index] ?? 0,
    until: starts[index + 1],
  }))
}

/** Returns the past rules of a view whose rule becomes `next.rule` from the revision `next.from` on. */
export function withNextRule(
  { rule, pastRules }: Rules,
  next: { rule: ViewRule; from: number; isReopened?: boolean },
): readonly PastRule[] {
  const { from, isReopened = false } = next
  // A view without revisions has no past.
  if (isReopened && (next.rule === rule || from === 1)) return pastRules
  return [...pastRules, { rule, until: from, ...(isReopened && { isReopened }) }]
}

/** Reports whether a revision of the view set its rule. */
export function setsRule({ pastRules }: Pick<Rules, 'pastRules'>, revision: number): boolean {
  return pastRules.some(({ until, isReopened }) => until === revision && isReopened !== true)
}
