import type { Answers } from '../../../answers/answers.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError, quote } from '../../../errors.ts'
import type { Pollers } from '../../../pollers/pollers.ts'
import { didYouMean } from '../../../text/nearest.ts'
import type { RouteContext } from '../../requests/request.ts'

const MAX_WARNINGS = 1_000
const SILENT_MS = 60_000

/**
 * Refuses requests below the URL of a view that does not exist or is closed. `hab` silently takes 404 for
 * "nothing newer", so a supervisor with a mistyped URL would poll forever; it prints every other status. The
 * log gets a warning per name, at most once a minute and for at most 1,000 names a minute, so that invented
 * names fill neither the memory nor the log.
 */
export class AbsentViews {
  readonly #depot: Depot
  readonly #answers: Answers
  readonly #pollers: Pollers
  /** Recent warnings by name, oldest first, with their times (epoch milliseconds). */
  readonly #warnings = new Map<string, { readonly at: number; readonly sentence: string }>()

  constructor({ depot, answers, pollers }: Pick<RouteContext, 'depot' | 'answers' | 'pollers'>) {
    this.#depot = depot
    this.#answers = answers
    this.#pollers = pollers
  }

  /** Returns the refusal for a request from `address` below this view, or `undefined` if the view is open. */
  refusalOf(name: string, address: string): DepotError | undefined {
    if (this.#answers.isOpen(name)) return undefined
    this.#pollers.countAbsentView(name)
    return new DepotError('view_absent', this.#describe(name, address))
  }

  /** Returns the sentence of a refusal, and logs it unless that happened recently. */
  #describe(name: string, address: string): string {
    const now = this.#depot.now()
    const warning = this.#warnings.get(name)
    if (warning !== undefined && isRecent(warning.at, now)) return warning.sentence
    for (const [other, { at }] of this.#warnings) {
      if (isRecent(at, now)) break
      this.#warnings.delete(other)
    }
    const plain = `there is no open view ${quote(name)}`
    if (this.#warnings.size >= MAX_WARNINGS) return plain
    const sentence = `${plain}${didYouMean(name, this.#answers.openViews())}`
    this.#warnings.set(name, { at: now, sentence })
    this.#depot.log.warn({ address }, `a request below the URL of a view was refused: ${sentence}`)
    return sentence
  }
}

/** Compares the distance of the times, because the clock may have been set back. */
function isRecent(at: number, now: number): boolean {
  return Math.abs(now - at) < SILENT_MS
}
