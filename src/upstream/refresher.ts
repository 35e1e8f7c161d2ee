import { setTimeout as sleep } from 'node:timers/promises'
import { DEPOT_ACTOR } from '../access/access.ts'
import { listRefreshed } from '../channels/refresh-store.ts'
import type { StopLeading } from '../cluster/leadership.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { findOrigin } from '../origins/origin-store.ts'
import { RemoteError } from '../remote/remote-error.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import { counted } from '../text/counted.ts'
import { formatChannel, notAdopted, upstreamChannels } from './channels.ts'
import { describeFault } from './describe-fault.ts'
import { refreshChannel } from './refresh-channel.ts'
import type { UpstreamChannel } from './channels.ts'
import { openSource } from './source.ts'

/** What routes ask for. Only the thread that opened the depot refreshes. */
export interface RefreshOperations {
  /** Begins to refresh these channels. Those that are already waiting for a refresh are not queued again. */
  refresh(channels: readonly UpstreamChannel[], options: RefreshOptions): Promise<void>
  /** Returns the channels that are being refreshed or wait for it. */
  refreshing(): Promise<readonly UpstreamChannel[]>
}

export interface RefreshOptions {
  /** Whether to apply a refresh that would otherwise be held. */
  readonly acceptsRemovals: boolean
  /** The account that asked. `undefined` is the schedule. */
  readonly by: string | undefined
}

/** The delay before the first refresh. Without it, the start of the depot would be slower. */
const FIRST_AFTER_MS = 10_000

/**
 * Keeps the channels of upstream origins up to date, one after another. Failures are logged and stored, and
 * the channels stay as they are.
 */
export class Refresher implements RefreshOperations {
  /** The channels that the settings name. */
  readonly channels: readonly UpstreamChannel[]
  readonly #depot: Depot
  readonly #source: RemoteDepot
  readonly #abort: AbortController
  /** Refreshes in progress and waiting, by channel and whether removals are accepted. */
  readonly #queued = new Map<
    string,
    { readonly channel: UpstreamChannel; readonly done: Promise<string | undefined> }
  >()
  #last: Promise<unknown> = Promise.resolve()
  #schedule: Promise<void> = Promise.resolve()
  #stopLeading: StopLeading | undefined

  /** `abort` ends the requests of the source. The caller closes the refresher before the depot. */
  constructor(depot: Depot, source: RemoteDepot, abort = new AbortController()) {
    this.#depot = depot
    this.#source = source
    this.#abort = abort
    this.channels = upstreamChannels(depot)
  }

  /** Returns `undefined` if the settings name no upstream. Throws like {@link openSource}. */
  static async open(depot: Depot): Promise<Refresher | undefined> {
    if (depot.config.upstream === undefined) return undefined
    const abort = new AbortController()
    const source = await openSource(depot.config.upstream, 'background', {
      log: depot.log,
      signal: abort.signal,
    })
    return new Refresher(depot, source, abort)
  }

  /** Refreshes all channels again and again, with the pause that the settings name. */
  start(): void {
    const everyMs = this.#depot.config.upstream?.refreshMs ?? 0
    if (everyMs === 0) return
    const { leadership } = this.#depot
    if (leadership === undefined) this.#schedule = this.#repeat(everyMs, this.#abort.signal)
    else this.#stopLeading = leadership.whileLeading('refresh', (signal) => this.#repeat(everyMs, signal))
  }

  async refresh(channels: readonly UpstreamChannel[], options: RefreshOptions): Promise<void> {
    for (const channel of channels) void this.#queue(channel, options)
  }

  /** Refreshes channels. Resolves with a sentence for each one that was not refreshed. Never rejects. */
  async refreshAll(
    channels: readonly UpstreamChannel[] = this.channels,
    options: RefreshOptions = { acceptsRemovals: false, by: undefined },
  ): Promise<string[]> {
    const faults = await Promise.all(channels.map((channel) => this.#queue(channel, options)))
    return faults.filter((fault) => fault !== undefined)
  }

  async refreshing(): Promise<readonly UpstreamChannel[]> {
    return [...this.#queued.values()].map(({ channel }) => channel)
  }

  /** Ends the refresh in progress between two of its steps. */
  async close(): Promise<void> {
    this.#abort.abort()
    await this.#stopLeading?.()
    await Promise.all([this.#schedule, this.#last])
  }

  /** Resolves when the signal aborts. */
  async #repeat(everyMs: number, signal: AbortSignal): Promise<void> {
    for (let pauseMs = Math.min(FIRST_AFTER_MS, everyMs); ; pauseMs = everyMs) {
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      await this.refreshAll()
    }
  }

  #queue(channel: UpstreamChannel, options: RefreshOptions): Promise<string | undefined> {
    const key = `${formatChannel(channel)} ${options.acceptsRemovals}`
    const running = this.#queued.get(key)
    if (running !== undefined) return running.done
    const done = this.#last
      .then(() => this.#refresh(channel, options))
      .finally(() => this.#queued.delete(key))
    this.#last = done
    this.#queued.set(key, { channel, done })
    return done
  }

  /**
   * Refreshes one channel, and stores what came of it. Resolves with a sentence if the channel was not
   * refreshed. Never rejects.
   */
  async #refresh(
    channel: UpstreamChannel,
    { acceptsRemovals, by }: RefreshOptions,
  ): Promise<string | undefined> {
    const { log } = this.#depot
    const { signal } = this.#abort
    if (signal.aborted) return undefined
    const accepted = by !== undefined && acceptsRemovals ? `, removals accepted by ${by}` : ''
    const reason = `refreshed from ${this.#source.url.replace(/\/v1$/, '')}${accepted}`
    try {
      if ((await findOrigin(this.#depot.db, channel.origin))?.isUpstream !== true)
        return notRefreshed(channel, notAdopted(channel.origin))
      const context = { depot: this.#depot, source: this.#source, signal }
      const outcome = await refreshChannel(context, channel, { acceptsRemovals, reason })
      if (outcome.kind === 'held') {
        const { removals, members } = outcome
        const fault = `upstream no longer has ${removals} of ${members} releases, so the refresh is held until somebody accepts the removals`
        log.warn(
          { ...channel, ...(await this.#age(channel)), removals, members },
          `a channel was not refreshed: ${fault}`,
        )
        await this.#record(channel, { fault, removals })
        return notRefreshed(channel, fault)
      }
      const { joined, left, omitted, reasons } = outcome
      if (omitted > 0)
        log.warn({ ...channel, omitted, reasons }, 'releases were left out of the refresh of a channel')
      if (joined + left > 0) log.info({ ...channel, joined, left }, 'a channel was refreshed')
      await this.#record(channel, {
        isRefreshed: true,
        ...(omitted > 0 && { fault: `left out ${counted(omitted, 'release')}: ${reasons.join('; ')}` }),
      })
      return undefined
    } catch (error) {
      if (signal.aborted) return undefined
      const isExpected = error instanceof DepotError || error instanceof RemoteError
      const fault = isExpected
        ? describeFault(error)
        : 'the refresh failed: the log of the depot has the cause'
      if (isExpected)
        log.warn({ ...channel, ...(await this.#age(channel)) }, `a channel was not refreshed: ${fault}`)
      else log.error({ ...channel, err: error }, 'a channel could not be refreshed')
      await this.#record(channel, { fault }).catch((err: unknown) =>
        log.error({ ...channel, err }, 'the outcome of a refresh could not be stored'),
      )
      return notRefreshed(channel, fault)
    }
  }

  /** Returns, for the log, when a channel was last refreshed. Never rejects. */
  async #age(channel: UpstreamChannel): Promise<{ asOf: string | null }> {
    const known = await listRefreshed(this.#depot.db).catch(() => [])
    const at = known.find((row) => formatChannel(row) === formatChannel(channel))?.refreshedAt
    return { asOf: at === undefined ? null : new Date(at).toISOString() }
  }

  async #record(
    channel: UpstreamChannel,
    outcome: { fault?: string; removals?: number; isRefreshed?: boolean },
  ): Promise<void> {
    const input = { ...channel, ...outcome }
    await this.#depot.writer.submit({ kind: 'recordRefresh', input, actor: DEPOT_ACTOR })
  }
}

function notRefreshed(channel: UpstreamChannel, fault: string): string {
  return `${formatChannel(channel)} was not refreshed: ${fault}`
}
