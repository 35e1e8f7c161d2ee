import { extname } from 'node:path'
import type { DatabaseLocation } from '../config/database.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { JudgedPage, JudgedPart } from './judge-page.ts'

// The thread's file is next to this one, in the sources and in the build.
const THREAD = new URL(`./judging-thread${extname(import.meta.filename)}`, import.meta.url)
// Rows are garbage as soon as a page is decided. By default, V8 lets 30 MB of garbage pile up.
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 4 }

/** Decides which releases of a part stay now; see {@link judgePage}. */
export type JudgeReleases = (
  part: JudgedPart,
  options?: { readonly onlySettled?: boolean },
) => Promise<JudgedPage>

/** A message to the thread: the arguments of {@link judgePage}. */
export interface JudgingTask {
  readonly part: JudgedPart
  readonly now: number
  readonly onlySettled: boolean
}

/**
 * Decides which releases retention removes, in a thread at low priority with a connection of its own. A page
 * takes some hundred queries, so polls would wait if they shared a thread with them. The thread starts
 * when first needed, and ends after a minute without pages. The owner closes it.
 */
export class JudgingThread {
  readonly #thread: ThreadPool<JudgingTask, JudgedPage>
  readonly #now: () => number

  /** `database` must be migrated. */
  constructor(database: DatabaseLocation, now: () => number) {
    this.#thread = new ThreadPool(THREAD, {
      maxThreads: 1,
      workerData: database,
      resourceLimits: HEAP_LIMITS,
    })
    this.#now = now
  }

  /** See {@link JudgeReleases}. Rejects with `shutting_down` after {@link close}. */
  readonly judge: JudgeReleases = (part, { onlySettled = false } = {}) =>
    this.#thread.run({ part, now: this.#now(), onlySettled })

  /** Lets the page in progress finish. */
  close(): Promise<void> {
    return this.#thread.close()
  }
}
