import type { LedgerEvent } from '../ledger/entry.ts'
import { MARK_EVENTS, isMarkEvent } from '../ledger/mark-events.ts'
import { releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { MARKS } from '../package/mark.ts'
import type { Mark } from '../package/mark.ts'

/** A mark of a release, without its author, who is only in the row. */
export interface RebuiltMark extends ReleaseName {
  readonly mark: Mark
  readonly reason: string
  readonly since: number
}

/** The marks of releases, as rebuilt from ledger entries. */
export class RebuiltMarks {
  readonly #marks = new Map<string, RebuiltMark>()

  /** Applies the next event. */
  take(event: LedgerEvent, at: number): void {
    if (event.kind === 'release-deleted') for (const mark of MARKS) this.#marks.delete(keyOf(event, mark))
    if (!isMarkEvent(event)) return
    const { ident, target } = event
    const mark = MARK_EVENTS[event.kind]
    if ('reason' in event)
      this.#marks.set(keyOf(event, mark), { ident, target, mark, reason: event.reason, since: at })
    else this.#marks.delete(keyOf(event, mark))
  }

  isYanked(release: ReleaseName): boolean {
    return this.#marks.has(keyOf(release, 'yanked'))
  }

  values(): Iterable<RebuiltMark> {
    return this.#marks.values()
  }
}

function keyOf(release: ReleaseName, mark: Mark): string {
  return `${releaseKey(release)} ${mark}`
}
