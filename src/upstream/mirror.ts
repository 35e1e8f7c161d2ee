import { setTimeout as sleep } from 'node:timers/promises'
import { DEPOT_ACTOR } from '../access/access.ts'
import { Pace } from '../backup/pace.ts'
import type { MirrorConfig } from '../config/upstream-config.ts'
import type { StopLeading } from '../cluster/leadership.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { ReleaseName } from '../package/ident.ts'
import { findReleaseBlob } from '../releases/release-store.ts'
import { each } from '../remote/each.ts'
import { NEVER, readLastRun } from './last-run.ts'
import type { MirrorStatus } from './last-run.ts'
import { listAbsentViews, planMirror } from './plan-mirror.ts'
import type { Refresher } from './refresher.ts'
import type { Upstream } from './upstream.ts'

/** What routes ask of the mirror. Only the thread that opened the depot mirrors. */
export interface MirrorOperations {
  /** Begins a run, unless one is in progress. */
  startMirror(): Promise<void>
  mirrorStatus(): Promise<MirrorStatus>
  /** Lists what a run would fetch now. Fetches no packages, and does not refresh channels. */
  planMirror(): Promise<MirrorPlan>
}

export interface MirrorPlan {
  /** The views that the settings name and that the depot does not have. */
  readonly absentViews: readonly string[]
  readonly releases: readonly (ReleaseName & { readonly sizeBytes: number | undefined })[]
}

/** The delay before the first run. Without it, the start of the depot would be slower. */
const FIRST_AFTER_MS = 60_000
/** A run ends after this many failures in a row: upstream is probably away, or refuses everything. */
const MAX_FAILURES_IN_A_ROW = 10
/** The maximum number of sizes for which a plan asks upstream. */
const MAX_SIZES_ASKED = 1_000
const PARALLEL_QUESTIONS = 8

/** Failures that would also affect all other releases. */
const ENDING: readonly ErrorCode[] = [
  'storage_full',
  'quota_exceeded',
  'data_gone',
  'shutting_down',
  'overloaded',
]

/**
 * Fetches releases of upstream before somebody asks for them. The next run fetches what an interrupted one
 * did not.
 */
export class Mirror implements MirrorOperations {
  readonly #depot: Depot
  readonly #upstream: Upstream
  readonly #refresher: Refresher
  readonly #settings: MirrorConfig
  readonly #abort = new AbortController()
  #status: MirrorStatus = NEVER
  #running: Promise<void> | undefined
  #schedule: Promise<void> = Promise.resolve()
  #stopLeading: StopLeading | undefined

  private constructor(
    depot: Depot,
    settings: MirrorConfig,
    { upstream, refresher }: { upstream: Upstream; refresher: Refresher },
  ) {
    this.#depot = depot
    this.#settings = settings
    this.#upstream = upstream
    this.#refresher = refresher
  }

  /**
   * Returns `undefined` if the settings name nothing to mirror. The caller closes the mirror together with
   * `upstream`.
   */
  static async open(
    depot: Depot,
    upstream: Upstream | undefined,
    refresher: Refresher | undefined,
  ): Promise<Mirror | undefined> {
    const settings = depot.config.upstream?.mirror
    if (settings === undefined || upstream === undefined || refresher === undefined) return undefined
    const mirror = new Mirror(depot, settings, { upstream, refresher })
    mirror.#status = (await readLastRun(depot.db)) ?? NEVER
    for (const view of await listAbsentViews(depot.db, settings))
      depot.log.warn({ view }, `DEPOT_MIRROR_VIEWS names ${view}, and there is no such view`)
    return mirror
  }

  /** Runs again and again, with the pause that the settings name. */
  start(): void {
    const { everyMs } = this.#settings
    if (everyMs === 0) return
    const { leadership } = this.#depot
    if (leadership === undefined) this.#schedule = this.#repeat(everyMs, this.#abort.signal)
    else this.#stopLeading = leadership.whileLeading('mirror', (signal) => this.#repeat(everyMs, signal))
  }

  async startMirror(): Promise<void> {
    void this.run()
  }

  async mirrorStatus(): Promise<MirrorStatus> {
    if (this.#running !== undefined) return this.#status
    const stored = await readLastRun(this.#depot.db) // perhaps of another node
    return stored !== undefined && (stored.endedAt ?? 0) > (this.#status.endedAt ?? 0) ? stored : this.#status
  }

  async planMirror(): Promise<MirrorPlan> {
    const planned = await planMirror(this.#depot, this.#settings)
    const sizes = new Map<ReleaseName, number>()
    await each(planned.slice(0, MAX_SIZES_ASKED), PARALLEL_QUESTIONS, async (release) => {
      const size = await this.#askSize(release)
      if (size !== undefined) sizes.set(release, size)
    })
    return {
      releases: planned.map((release) => ({ ...release, sizeBytes: sizes.get(release) })),
      absentViews: await listAbsentViews(this.#depot.db, this.#settings),
    }
  }

  /** Refreshes the mirrored channels, and fetches what is missing. Joins a run in progress. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Ends the run in progress. Waits for releases that are arriving, which closing `upstream` ends. */
  async close(): Promise<void> {
    this.#abort.abort()
    await this.#stopLeading?.()
    await Promise.all([this.#schedule, this.#running])
  }

  /** Resolves when the signal aborts. */
  async #repeat(everyMs: number, signal: AbortSignal): Promise<void> {
    for (let pauseMs = Math.min(FIRST_AFTER_MS, everyMs); ; pauseMs = everyMs) {
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      await this.run()
    }
  }

  async #run(): Promise<void> {
    const { log, now, writer } = this.#depot
    const { signal } = this.#abort
    this.#status = { ...NEVER, begunAt: now(), succeededAt: this.#status.succeededAt }
    try {
      const { succeededAt } = (await readLastRun(this.#depot.db)) ?? this.#status // perhaps of another node
      this.#status = { ...this.#status, succeededAt }
      const [fault] = await this.#refresher.refreshAll(this.#settings.channels)
      this.#status = { ...this.#status, fault }
      await this.#fetchAll(await planMirror(this.#depot, this.#settings))
    } catch (error) {
      const isExpected = error instanceof DepotError
      const fault = isExpected ? error.message : 'the mirror failed: the log of the depot has the cause'
      if (!isExpected && !signal.aborted) log.error({ err: error }, 'the mirror failed')
      this.#status = { ...this.#status, fault }
    }
    if (signal.aborted) return
    const endedAt = now()
    this.#status = {
      ...this.#status,
      endedAt,
      ...(this.#status.fault === undefined && { succeededAt: endedAt }),
    }
    const { planned, fetched, bytes, failed, fault } = this.#status
    if (fault === undefined) log.info({ planned, fetched, bytes }, 'the mirror has what it should keep')
    else log.warn({ planned, fetched, bytes, failed }, `the mirror may lack releases: ${fault}`)
    await writer
      .submit({ kind: 'recordMirror', input: { status: JSON.stringify(this.#status) }, actor: DEPOT_ACTOR })
      .catch((err: unknown) => log.error({ err }, 'the outcome of the mirror could not be stored'))
  }

  /** Throws the error that ends the run. */
  async #fetchAll(planned: readonly ReleaseName[]): Promise<void> {
    const { parallel, bytesPerS } = this.#settings
    const pace = bytesPerS === 0 ? undefined : new Pace(bytesPerS)
    this.#status = { ...this.#status, planned: planned.length }
    let failuresInARow = 0
    await each(planned, parallel, async (release) => {
      this.#abort.signal.throwIfAborted()
      try {
        await this.#upstream.fetchRelease(release, pace)
        const blob = await findReleaseBlob(this.#depot.db, release.ident, release.target)
        const { fetched, bytes } = this.#status
        this.#status = { ...this.#status, fetched: fetched + 1, bytes: bytes + (blob?.sizeBytes ?? 0) }
        failuresInARow = 0
      } catch (error) {
        if (!(error instanceof DepotError) || ENDING.includes(error.code)) throw error
        failuresInARow += 1
        const { failed, fault = error.message } = this.#status
        this.#status = { ...this.#status, failed: failed + 1, fault }
        if (failuresInARow >= MAX_FAILURES_IN_A_ROW) throw error
      }
    })
  }

  /** Returns the size of a release in bytes; `undefined` if upstream does not say it. */
  async #askSize(release: ReleaseName): Promise<number | undefined> {
    try {
      const shown = await this.#upstream.showMissing(release, {
        seesPrivate: true,
        address: undefined,
        via: undefined,
      })
      const { size } = JSON.parse(shown) as { size?: number | null }
      return size ?? undefined
    } catch (error) {
      if (error instanceof DepotError) return undefined
      throw error
    }
  }
}
