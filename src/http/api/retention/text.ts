import type { z } from 'zod'
import { formatBytes, formatColumns } from '../../../text/columns.ts'
import { counted } from '../../../text/counted.ts'
import { page, sections, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

type RuleScope = Pick<z.infer<typeof shapes.ScopedRule>, 'origin' | 'package' | 'view'>

export function rulesText({ rules }: z.infer<typeof shapes.Rules>): string {
  return formatColumns(
    ['FOR', 'KEEPS', 'BY', 'SINCE'],
    rules.map((rule) => [scopeText(rule), rule.text, rule.by ?? '', timeText(rule.since)]),
  )
}

export function ruleText(rule: z.infer<typeof shapes.ScopedRule>): string {
  return rulesText({ rules: [rule] })
}

function scopeText({ origin, package: name, view }: RuleScope): string {
  if (origin !== null) return `origin ${origin}`
  if (name !== null) return `package ${name}`
  return view === null ? 'depot' : `view ${view}`
}

export function verdictsText({ verdicts, freed_bytes, next }: z.infer<typeof shapes.Verdicts>): string {
  const rows = verdicts.map(({ ident, target, goes, size_bytes, detail }) => [
    goes ? 'goes' : 'stays',
    ident,
    target,
    formatBytes(size_bytes),
    detail.slice(ident.length + 1),
  ])
  return sections(
    formatColumns(['', 'RELEASE', 'TARGET', 'SIZE', 'BECAUSE IT'], rows),
    `${formatBytes(freed_bytes)} come free on this page.${next === null ? '' : `\n\nmore: ${next}`}`,
  )
}

export function runText({ removed, freed_bytes, cursor }: z.infer<typeof shapes.Run>): string {
  return sections(
    formatColumns(
      ['REMOVED', 'TARGET', 'SIZE'],
      removed.map((release) => [release.ident, release.target, formatBytes(release.freed_bytes)]),
    ),
    `${formatBytes(freed_bytes)} come free after the quarantine.${cursor === null ? '' : `\n\nnext cursor: ${cursor}`}`,
  )
}

export function quarantineText({ releases, next }: z.infer<typeof shapes.Quarantine>): string {
  return page(
    ['IN QUARANTINE', 'TARGET', 'SIZE', 'REMOVED', 'UNTIL'],
    releases.map(({ ident, target, size_bytes, removed_at, until }) => [
      ident,
      target,
      formatBytes(size_bytes),
      timeText(removed_at),
      timeText(until),
    ]),
    next,
  )
}

export function returnedText({ ident, target }: z.infer<typeof shapes.Returned>): string {
  return `${ident} for ${target} is back, in unstable alone.`
}

export function pinsText({ pins }: z.infer<typeof shapes.Pins>): string {
  return formatColumns(
    ['PINNED', 'REASON', 'BY', 'SINCE'],
    pins.map(({ view, revision, reason, by, since }) => [
      `${view}@${revision}`,
      reason,
      by ?? '',
      timeText(since),
    ]),
  )
}

export function pinText({ changed: _changed, deleted, ...pin }: z.infer<typeof shapes.Pinned>): string {
  return sections(
    pinsText({ pins: [pin] }),
    deleted === 0 ? '' : `Gone already: ${counted(deleted, 'release')} of this revision.`,
  )
}

export function lockfilesText({ lockfiles }: z.infer<typeof shapes.RegisteredLockfiles>): string {
  return formatColumns(
    ['LOCKFILE', 'OF', 'RELEASES', 'BY', 'SINCE'],
    lockfiles.map(({ name, view, revision, releases, by, since }) => [
      name,
      `${view}@${revision}`,
      String(releases),
      by ?? '',
      timeText(since),
    ]),
  )
}

export function lockfileText(lockfile: z.infer<typeof shapes.RegisteredLockfile>): string {
  return lockfilesText({ lockfiles: [lockfile] })
}
