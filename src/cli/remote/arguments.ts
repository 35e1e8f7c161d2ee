import type { NewView } from '../../client/operations.ts'
import { parseIdent } from '../../package/ident.ts'
import { beginsWithRealDay, parsePeriod } from '../../text/period.ts'
import { UsageError } from '../exit-codes.ts'

/**
 * Separates idents, which have slashes, from the view. Throws a UsageError unless there is exactly one view.
 */
export function splitIdentsAndView(words: readonly string[]): { view: string; idents: string[] } {
  const idents = words.filter((word) => word.includes('/'))
  const [view, ...others] = words.filter((word) => !word.includes('/'))
  if (view === undefined) throw new UsageError('no view was given: name one, such as acceptance')
  if (others.length > 0)
    throw new UsageError(
      `${[view, ...others].join(' and ')} look like views, and only one may be given: an ident has slashes`,
    )
  return { view, idents }
}

/** Returns the text if it is a full ident. Throws a UsageError. */
export function checkIdent(text: string): string {
  try {
    parseIdent(text)
    return text
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error
  }
}

const REVISION = /^\d+(?:-[0-9a-f]{16})?$/
const TIME = /^\d{4}-\d\d-\d\d./

/** Splits `VIEW@REVISION` or `VIEW@TIME` at its last `@`, if a revision or a time follows. */
export function splitMoment(text: string): { view: string; at: string | undefined } {
  const [, view, at = ''] = /^(.+)@([^@]+)$/.exec(text) ?? []
  return view !== undefined && (REVISION.test(at) || TIME.test(at))
    ? { view, at }
    : { view: text, at: undefined }
}

/**
 * Returns the text if it is a revision, a revision ID or a time. Otherwise throws a UsageError, whose message
 * calls the text `what`.
 */
export function checkMoment(text: string, what: string): string {
  if (!REVISION.test(text) && (!TIME.test(text) || Number.isNaN(parseTime(text))))
    throw new UsageError(
      `${what} must be a number such as 41, or a time such as 2026-01-02T08:00:00Z, not ${JSON.stringify(text)}`,
    )
  return text
}

/** Parses a period such as `90s`, `30m`, `6h`, `2d`, `1w` or `0` into milliseconds. Throws a UsageError. */
export function periodMs(text: string, what: string): number {
  const ms = parsePeriod(text)
  if (ms === undefined)
    throw new UsageError(`${what} is a period such as 90s, 30m, 6h, 2d or 1w, not ${JSON.stringify(text)}`)
  return ms
}

/**
 * Parses a time, or a period, which is added to `now` (sign 1) or subtracted from it (sign -1). Returns the
 * time in RFC 3339. Throws a UsageError.
 */
export function timeOf(text: string, what: string, { now, sign }: { now: number; sign: 1 | -1 }): string {
  const at = TIME.test(text) ? parseTime(text) : now + sign * periodMs(text, what)
  if (Number.isNaN(at)) throw new UsageError(`${what} is not a time: ${JSON.stringify(text)}`)
  return new Date(at).toISOString()
}

/** Parses a time to epoch milliseconds. Returns NaN for other texts. */
function parseTime(text: string): number {
  return beginsWithRealDay(text) ? Date.parse(text) : Number.NaN
}

/** Parses a whole number that is not negative. `what` names it in the UsageError. */
export function wholeNumber(text: string, what: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${what} is a whole number, not ${JSON.stringify(text)}`)
  return Number(text)
}

/** Returns the text if it is the rule of a view. Throws a UsageError. */
export function checkRule(text: string | undefined): NewView['rule'] & string {
  if (text !== 'promoted' && text !== 'highest')
    throw new UsageError(`the rule is promoted or highest, not ${JSON.stringify(text)}`)
  return text
}

/** A restriction to packages of an origin, a name, or both. */
export interface PackageFilter {
  readonly origin?: string
  readonly name?: string
}

/** Returns the restriction in the options of a command. It is empty if neither option is given. */
export function packageFilterOf({
  origin,
  name,
}: { [key in keyof PackageFilter]: PackageFilter[key] | undefined }): PackageFilter {
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}
