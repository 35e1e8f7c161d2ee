import { DepotError, quote } from '../../../errors.ts'
import { POSITION, parsePosition } from '../../../ledger/position.ts'
import type { Position } from '../../../ledger/position.ts'
import { beginsWithRealDay } from '../../../text/period.ts'
import type { MarkedRevision, Moment } from '../../../views/change-request.ts'

/**
 * Parses a revision (`12`), a revision with its mark (`12-9c0f1b2a3d4e5f60`), or an RFC 3339 time or date
 * (`2026-01-01T00:00:00Z`). Throws `invalid_request`.
 */
export function momentOf(text: string | undefined, pointer = '/at'): Moment | undefined {
  if (text === undefined) return undefined
  if (POSITION.test(text)) return revisionOf(parsePosition(text))
  // A `+` that is not percent-encoded arrives as a space.
  const match = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+ -]\d{2}:\d{2}))?$/.exec(text)
  const time = match === null ? Number.NaN : Date.parse(text.replace(/ (\d{2}:\d{2})$/, '+$1').toUpperCase())
  if (Number.isNaN(time) || !beginsWithRealDay(text)) {
    const detail = `${pointer.slice(1)} must be a revision such as 12 or a time such as 2026-01-01T00:00:00Z, not ${quote(text)}`
    throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer }] })
  }
  return { time }
}

/** Converts a parsed position in the history of a view to the revision that it names. */
export function revisionOf({ number, mark }: Position): MarkedRevision {
  return { revision: number, ...(mark !== undefined && { mark }) }
}
