import type { Answers } from '../../answers/answers.ts'
import type { Depot } from '../../depot/open.ts'
import { DepotError, quote } from '../../errors.ts'
import { didYouMean } from '../../text/nearest.ts'

const MOST_REMEMBERED = 1_000
const SILENT_MS = 60_000

/**
 * Refuses requests below the URL of a view that does not exist or is closed. `hab` takes 404 for "nothing newer" and says nothing, so that
 * a supervisor with a mistyped URL would poll for ever; it prints every other status. The log has a warning for each such name, at most
 * once a minute, and for at most 1,000 names a minute: whoever invents names fills neither the memory nor the log.
 */
export class AbsentViews {
  readonly #depot: Depot
  readonly #answers: Answers
  /** By name, the oldest first: what was said of it, and when (epoch milliseconds). */
  readonly #told = new Map<string, { readonly at: number; readonly sentence: string }>()

  constructor(depot: Depot, answers: Answers) {
    this.#depot = depot
    this.#answers = answers
  }

  /** The refusal of a request from `address` below the view of this name; `undefined` where that is open. */
  refusalOf(name: string, address: string): DepotError | undefined {
    return this.#answers.isOpen(name) ? undefined : new DepotError('view_absent', this.#tell(name, address))
  }

  #tell(name: string, address: string): string {
    const now = this.#depot.now()
    const told = this.#told.get(name)
    if (told !== undefined && isRecent(told.at, now)) return told.sentence
    for (const [other, { at }] of this.#told) {
      if (isRecent(at, now)) break
      this.#told.delete(other)
    }
    const plain = `there is no open view ${quote(name)}`
    if (this.#told.size >= MOST_REMEMBERED) return plain
    const sentence = `${plain}${didYouMean(name, this.#answers.openViews())}`
    this.#told.set(name, { at: now, sentence })
    this.#depot.log.warn({ address }, `a client asks below the URL of a view: ${sentence}`)
    return sentence
  }
}

/** The clock may have been set back meanwhile. */
function isRecent(at: number, now: number): boolean {
  return Math.abs(now - at) < SILENT_MS
}
