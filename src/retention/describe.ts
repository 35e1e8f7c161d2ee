import { describeRelease } from '../package/ident.ts'
import {
  CHANGE_KEEPS_MS,
  MIN_AGE_MS,
  describeRule,
  formatPeriod,
  formatScope,
} from '../views/retention-rule.ts'
import type { Reason } from './judge.ts'
import type { Need } from './needs-store.ts'
import type { ScopedRule } from './rule-store.ts'

/**
 * Says what needs a release, as the end of a sentence whose subject is the release. For some needs, also says
 * how to end them.
 */
export function describeNeed(need: Need): string {
  if (need.kind === 'hold') return `is held: ${need.reason}`
  if (need.kind === 'view') {
    if (need.as === 'latest') return `is latest in ${need.view}`
    return need.as === 'frozen' ? `is in ${need.view}, which is frozen` : `is in ${need.view}`
  }
  if (need.kind === 'history')
    return `was ${need.as === 'latest' ? 'latest ' : ''}in ${need.view} until revision ${need.revision}, and a rollback may need it`
  if (need.kind === 'pin')
    return `is in the pinned revision ${need.view}@${need.revision} (${need.reason}): unpin it first`
  if (need.kind === 'lockfile') return `is in the registered lockfile ${need.lockfile}: unregister it first`
  if (need.kind === 'proposal') return `is in an open proposal for ${need.view}: apply or reject it first`
  return `belongs to the change ${need.change} of ${need.project}, which is the newest or was at work in the last ${formatPeriod(CHANGE_KEEPS_MS)}`
}

/** Names what needs a release, as the beginning of a chain: `delivered@14`, `lockfile fair`. */
export function nameNeed(need: Need): string {
  if (need.kind === 'view') return `${need.view}@${need.revision}`
  if (need.kind === 'history') return `${need.view}@${need.revision - 1}`
  if (need.kind === 'pin') return `pinned ${need.view}@${need.revision}`
  if (need.kind === 'lockfile') return `lockfile ${need.lockfile}`
  if (need.kind === 'proposal') return `proposal ${need.plan}`
  return need.kind === 'change' ? `change ${need.record}` : 'hold'
}

/** Says why a release stays, as the end of a sentence whose subject is the release. */
export function describeReason(reason: Reason): string {
  if (reason.kind === 'no-rule') return 'has no retention rule'
  if (reason.kind === 'young') return `was published less than ${formatPeriod(MIN_AGE_MS)} ago`
  if (reason.kind === 'keep-all' || reason.kind === 'last' || reason.kind === 'newer')
    return `is kept by ${describeScopedRule(reason.rule)}`
  if (reason.kind === 'promoted')
    return `was promoted to ${reason.view}, and is kept by ${describeScopedRule(reason.rule)}`
  if (reason.kind === 'dependency')
    return `is needed by ${reason.isKnownToStay ? '' : 'many releases, such as '}${describeRelease(reason.by)}`
  return describeNeed(reason)
}

/** Says why a release goes, as the end of a sentence whose subject is the release. */
export function describeGoing(rule: ScopedRule | undefined): string {
  return rule === undefined ? 'goes' : `is beyond ${describeScopedRule(rule)}, and nothing needs it`
}

/** Describes a rule with its scope: `the rule of origin acme: the last 3`. */
export function describeScopedRule({ scope, rule }: ScopedRule): string {
  return `the rule of ${scope.of === 'depot' ? 'the depot' : formatScope(scope)} (${describeRule(rule)})`
}
