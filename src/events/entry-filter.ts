import { originsOf, viewOf } from '../ledger/entry.ts'
import type { LedgerEvent } from '../ledger/entry.ts'

/** Which entries a reader asks for; of what is named, each entry must have one. Nothing named is everything. */
export interface EntryFilter {
  readonly views?: readonly string[] | undefined
  readonly origins?: readonly string[] | undefined
  readonly kinds?: readonly string[] | undefined
}

export function isFiltering({ views, origins, kinds }: EntryFilter): boolean {
  return views !== undefined || origins !== undefined || kinds !== undefined
}

/** Of an event as a reader sees it, whether it is asked for; of one as it happened, whether it could be. */
export function matchesFilter(event: LedgerEvent, { views, origins, kinds }: EntryFilter): boolean {
  return (
    matchesKindAndView(event, { views, kinds }) &&
    (origins === undefined || [...originsOf(event)].some((origin) => origins.includes(origin)))
  )
}

/** By what everybody is told who is told of it at all: origins may be left out of what a reader sees. */
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
