import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import { readStored } from '../blobs/blob-store.ts'
import type { CommandQueue } from '../commands/commands.ts'
import type { Db } from '../database/database.ts'
import { readClockSetBackAt } from '../database/state-store.ts'
import type { CandidatePlace } from '../retention/candidate-store.ts'
import { countRemovedToday } from '../retention/daily-store.ts'
import { countRules } from '../retention/rule-store.ts'
import type { JudgeReleases } from './judging.ts'
import { retirePage } from './retire-page.ts'

interface Dependencies {
  readonly db: Db
  readonly judge: JudgeReleases
  readonly writer: CommandQueue
  readonly log: Logger
  readonly now: () => number
  readonly quarantineMs: number
}

const RUN_EVERY_MS = 24 * 60 * 60_000
/** The pause after each part of a run, so that other work is not delayed. */
const PAUSE_MS = 100
/**
 * The largest share of the depot's packages that the runs of one day remove, so that people have time to
 * notice a mistake.
 */
const LARGEST_SHARE = 0.1
/** The runs of one day may remove this many releases, however few packages the depot has. */
const MIN_REMOVED = 100

/** What a run did. */
export interface RetentionRun {
  readonly removed: number
  readonly freedBytes: number
  /** Whether the run stopped because it reached the limit of the day. */
  readonly isCut: boolean
}

/**
 * Applies the retention rules once a day, in parts. Rules that were set, changed or removed less than a day
 * ago remove nothing, and the runs of one day remove at most a tenth of the packages. Runs that an
 * administrator starts do not have these two limits.
 */
export class Retention {
  readonly #depot: Dependencies
  #endedAt: number | undefined

  constructor(depot: Dependencies) {
    this.#depot = depot
  }

  /** When the last run ended, in epoch milliseconds; `undefined` if none has ended. */
  get endedAt(): number | undefined {
    return this.#endedAt
  }

  /** Makes a run now and then each day until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.once(signal).catch((error: unknown) => {
        if (!signal.aborted)
          this.#depot.log.error({ err: error }, 'the retention run failed; it starts again in a day')
      })
      await sleep(RUN_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /**
   * Makes one run. A release is removed only after all that depend on it, so this repeats until nothing more
   * can be removed.
   */
  async once(signal?: AbortSignal): Promise<RetentionRun> {
    const { db, log, now } = this.#depot
    const none = { removed: 0, freedBytes: 0, isCut: false }
    if ((await countRules(db)) === 0) return none
    const ofOneDay = Math.max(MIN_REMOVED, Math.floor((await readStored(db)).blobs * LARGEST_SHARE))
    const clock = { now: now(), setBackAt: await readClockSetBackAt(db) }
    const max = Math.max(0, ofOneDay - (await countRemovedToday(db, clock)))
    let run: RetentionRun = none
    for (let before = -1; run.removed > before && !run.isCut;) {
      before = run.removed
      run = await this.#pass(run, max, signal)
    }
    const { removed, freedBytes: bytes } = run
    if (run.isCut)
      log.warn(
        { removed, bytes },
        'retention removed as many releases as it may in one day: the rest goes on the following days, or with hart-depot retention',
      )
    else if (removed > 0) log.info({ removed, bytes }, 'retention removed releases')
    this.#endedAt = now()
    return run
  }

  async #pass(run: RetentionRun, max: number, signal: AbortSignal | undefined): Promise<RetentionRun> {
    let { removed, freedBytes } = run
    let after: CandidatePlace | undefined
    do {
      signal?.throwIfAborted()
      const begun = performance.now()
      const { retired, next } = await retirePage(
        this.#depot,
        { after },
        { isDaily: true, max: max - removed, actor: DEPOT_ACTOR },
      )
      removed += retired.length
      for (const release of retired) freedBytes += release.freedBytes
      if (removed >= max) return { removed, freedBytes, isCut: true }
      after = next
      // A run works at most half of the time.
      const pauseMs = Math.max(PAUSE_MS, performance.now() - begun)
      if (signal !== undefined) await sleep(pauseMs, undefined, { signal, ref: false })
    } while (after !== undefined)
    return { removed, freedBytes, isCut: false }
  }
}
