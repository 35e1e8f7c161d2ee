import type { EntryFilter } from '../../../events/entry-filter.ts'
import type { EntryContent } from '../../../events/visibility-store.ts'
import type { Reader } from '../../../events/visibility.ts'
import { UNSTABLE } from '../../../views/view.ts'
import type { RouteContext } from '../../requests/request.ts'

// The ledger, newest first. It is read in windows, each forward, because redaction needs its order.

const WINDOW = 250
/** The maximum number of entries that one page looks at. */
const MAX_EXAMINED_ENTRIES = 5_000

/** A visible entry of the ledger. */
export interface Activity extends EntryContent {
  readonly sequence: number
}

/**
 * Lists visible entries before a sequence number, newest first. `next` is the number before which the next
 * page begins; `undefined` at the beginning of the ledger.
 */
export async function readActivity(
  { feed, pages }: Pick<RouteContext, 'feed' | 'pages'>,
  { before, limit, filter }: { before: number | undefined; limit: number; filter: EntryFilter },
  reader: Reader,
): Promise<{ entries: Activity[]; next: number | undefined }> {
  const found: Activity[] = []
  let head = Math.min((before ?? Infinity) - 1, feed.head.sequence)
  for (let examined = 0; head > 0 && examined < MAX_EXAMINED_ENTRIES; examined += WINDOW) {
    const begin = Math.max(0, head - WINDOW)
    const window: Activity[] = []
    for (let after = begin; after < head;) {
      const page = await pages.read({ after, head, limit: WINDOW, filter }, reader)
      for (const { sequence, content } of page.entries)
        if (content !== undefined && !repeatsUpload(content)) window.push({ sequence, ...content })
      after = page.through
    }
    for (const entry of window.toReversed()) {
      if (found.length === limit) return { entries: found, next: found.at(-1)?.sequence ?? 0 }
      found.push(entry)
    }
    head = begin
  }
  return { entries: found, next: head > 0 ? head + 1 : undefined }
}

/** Reports whether an entry says only that an upload joined `unstable`, which the entry before it implies. */
function repeatsUpload({ event }: EntryContent): boolean {
  return event.kind === 'promotion' && event.cause === 'upload' && event.view === UNSTABLE
}
