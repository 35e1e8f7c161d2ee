import { originsOf, viewOf } from '../ledger/entry.ts'
import type { LedgerEvent } from '../ledger/entry.ts'

/**
 * A filter for ledger entries. Fields are combined with AND, the values of one field with OR. An empty filter
 * matches every entry.
 */
export interface EntryFilter {
  readonly views?: readonly string[] | undefined
  readonly origins?: readonly string[] | undefined
  readonly kinds?: readonly string[] | undefined
}

export function isFiltering({ views, origins, kinds }: EntryFilter): boolean {
  return views !== undefined || origins !== undefined || kinds !== undefined
}

/**
 * Reports whether a filter matches an event. For an event that is not redacted yet, whether it may match
 * afterwards.
 */
export function matchesFilter(event: LedgerEvent, { views, origins, kinds }: EntryFilter): boolean {
  return (
    matchesKindAndView(event, { views, kinds }) &&
    (origins === undefined || [...originsOf(event)].some((origin) => origins.includes(origin)))
  )
}

/** Matches only the fields that redaction keeps: it may remove origins, but never kind or view. */
export function matchesKindAndView(
  event: LedgerEvent,
  { views, kinds }: Pick<EntryFilter, 'views' | 'kinds'>,
): boolean {
  const view = viewOf(event)
  return (
    kinds?.includes(event.kind) !== false &&
    (views === undefined || (view !== undefined && views.includes(view)))
  )
}
