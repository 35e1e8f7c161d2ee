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
 * Reports whether a filter matches an event. Redaction may remove origins from an event, so an event that
 * matches before it may not match after it.
 */
export function matchesFilter(event: LedgerEvent, { views, origins, kinds }: EntryFilter): boolean {
  return (
    matchesKindAndView(event, { views, kinds }) &&
    (origins === undefined || [...originsOf(event)].some((origin) => origins.includes(origin)))
  )
}

/** Like {@link matchesFilter}, but ignores origins. The result is the same before and after redaction. */
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
