import { randomUUID } from 'node:crypto'
import { AddressLimit } from '../accounts/address-limit.ts'
import { DEPOT_ACTOR } from '../access/access.ts'
import type { Pace } from '../backup/pace.ts'
import { isListed } from '../config/upstream-config.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { isKeyRevision } from '../hart/origin-key.ts'
import type { KeyName } from '../hart/origin-key.ts'
import { findOrigin } from '../origins/origin-store.ts'
import { parseIdent, releaseKey } from '../package/ident.ts'
import type { Ident, ReleaseName } from '../package/ident.ts'
import { findRelease } from '../remote/habitat-reads.ts'
import { RemoteError } from '../remote/remote-error.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import { ConcurrencyLimit } from '../threads/concurrency-limit.ts'
import { Arrival } from './arriving.ts'
import type { Arriving } from './arriving.ts'
import { describeFault } from './describe-fault.ts'
import { fetchRelease, noRelease } from './fetch-release.ts'
import { recordKey, recordKeys } from './record-keys.ts'
import { Remembered } from './remembered.ts'
import { openSource } from './source.ts'
import { traced } from '../tracing/traced.ts'

/** The caller for whom upstream is asked. */
export interface Asker {
  /** Whether the caller may see private releases of the origin. */
  readonly seesPrivate: boolean
  /** The address of an anonymous caller, whose questions are limited. */
  readonly address: string | undefined
  /** The Via header of the request: the depots that it came through (RFC 9110 7.6.3). */
  readonly via: string | undefined
}

/**
 * What routes ask of upstream when a release or a key of a listed origin is missing here. All functions throw
 * `not_found` if upstream does not have it either or the origin is not an upstream origin, `refused` if the
 * origin no longer is one, `too_many_attempts`, `upstream_failed`, `quota_exceeded`, `shutting_down`, and the
 * errors of a full or lost disk.
 */
export interface UpstreamOperations {
  /**
   * Fetches a release. Any number of callers wait for one fetch. Resolves when bytes can be passed on, or
   * with `undefined` once the release is stored.
   */
  fetchMissing(release: ReleaseName, asker: Asker): Promise<Arriving | undefined>
  /** Returns upstream's description of a release, as JSON of the Habitat API. Fetches no bytes. */
  showMissing(release: ReleaseName, asker: Asker): Promise<string>
  /** Records one public key of an origin, or all of them. */
  fetchKeys(origin: string, revision: string | undefined, asker: Asker): Promise<void>
}

/** What was fetched since the depot was opened. */
export interface FetchCounts {
  readonly stored: number
  readonly storedBytes: number
  readonly failed: number
}

/** A fetch in progress. */
interface Fetch {
  readonly arrival: Arrival
  /** Resolves when the release is stored. */
  readonly done: Promise<void>
}

const MAX_FETCHES = 8
const MAX_REMEMBERED_FAILURES = 10_000
const MAX_REMEMBERED_SHOWS = 1_000
/** In characters. Longer descriptions are not remembered. */
const MAX_REMEMBERED_SHOW_LENGTH = 64 * 1_024
const MISS_KEPT_MS = 5 * 60_000
const FAILURE_KEPT_MS = 10_000
const SHOW_KEPT_MS = 60_000
const PSEUDONYM = /\bhart-depot-[0-9a-f-]{36}\b/g
const MAX_QUESTIONS_PER_MINUTE = 300

/** Failures that are not upstream's. They are not remembered. */
const OWN_FAILURES: readonly ErrorCode[] = [
  'not_found',
  'refused',
  'quota_exceeded',
  'storage_full',
  'overloaded',
  'data_gone',
  'shutting_down',
  'target_unsupported',
]

/**
 * The depot's upstream. A depot has one object of this kind, in the thread that opened it; other threads call
 * it.
 */
export class Upstream implements UpstreamOperations {
  readonly #depot: Depot
  readonly #source: RemoteDepot
  readonly #abort: AbortController
  /** The name of this depot in Via headers, by which it notices its own requests. */
  readonly #pseudonym = `hart-depot-${randomUUID()}`
  readonly #fetches = new Map<string, Fetch>()
  readonly #slots = new ConcurrencyLimit(MAX_FETCHES)
  /** Releases and keys that upstream does not have, and recent failures. */
  readonly #failures: Remembered<DepotError>
  readonly #shows: Remembered<string>
  readonly #limit: AddressLimit
  #counts: FetchCounts = { stored: 0, storedBytes: 0, failed: 0 }

  private constructor(depot: Depot, source: RemoteDepot, abort: AbortController) {
    this.#depot = depot
    this.#source = source
    this.#abort = abort
    this.#failures = new Remembered(depot.now, MAX_REMEMBERED_FAILURES)
    this.#shows = new Remembered(depot.now, MAX_REMEMBERED_SHOWS)
    this.#limit = new AddressLimit(depot.now, {
      what: 'requests that upstream has to answer',
      perMinute: MAX_QUESTIONS_PER_MINUTE,
    })
  }

  /**
   * Opens the upstream that the settings name, and creates its origins where they are absent. Returns
   * `undefined` without such a setting. Asks upstream for nothing. Throws like {@link openSource}. The caller
   * closes it before the depot.
   */
  static async open(depot: Depot): Promise<Upstream | undefined> {
    const { config, log } = depot
    if (config.upstream === undefined) return undefined
    const abort = new AbortController()
    const source = await openSource(config.upstream, 'client', { log, signal: abort.signal })
    for (const origin of config.upstream.origins) {
      const found = await findOrigin(depot.db, origin)
      if (found === undefined)
        await depot.writer.submit({
          kind: 'adoptOrigin',
          input: { origin, upstream: config.upstream.url },
          actor: DEPOT_ACTOR,
        })
      else if (!found.isUpstream)
        log.warn(
          { origin },
          `DEPOT_UPSTREAM_ORIGINS lists ${origin}, which already exists here, so nothing of it is fetched: hart-depot upstream adopt ${origin} shows what would change`,
        )
    }
    return new Upstream(depot, source, abort)
  }

  get counts(): FetchCounts {
    return this.#counts
  }

  async fetchMissing(release: ReleaseName, asker: Asker): Promise<Arriving | undefined> {
    return answering(asker, async () => {
      const { arrival, done } = await this.#fetch(release, asker)
      return Promise.race([arrival.begun, done.then(() => undefined)])
    })
  }

  /**
   * Fetches a release for the depot itself, at the rate of `pace`. Resolves when it is stored. Throws like
   * {@link fetchMissing}.
   */
  async fetchRelease(release: ReleaseName, pace?: Pace): Promise<void> {
    const { done } = await this.#fetch(
      release,
      { seesPrivate: true, address: undefined, via: undefined },
      pace,
    )
    await done
  }

  async showMissing(release: ReleaseName, asker: Asker): Promise<string> {
    const key = keyOf(release, asker)
    const known = this.#shows.get(key)
    if (known !== undefined) return known
    return answering(asker, async () => {
      await this.#expectAskable(identOf(release).origin, key, asker)
      return this.#ask(release.ident, key, async () => {
        const found = await findRelease(this.#sourceFor(asker), identOf(release), release.target)
        if (found?.target !== release.target || (found.visibility !== 'public' && !asker.seesPrivate))
          throw new DepotError('not_found', noRelease(this.#source, release.ident, release.target))
        const text = JSON.stringify(found)
        if (text.length <= MAX_REMEMBERED_SHOW_LENGTH) this.#shows.set(key, text, SHOW_KEPT_MS)
        return text
      })
    })
  }

  async fetchKeys(origin: string, revision: string | undefined, asker: Asker): Promise<void> {
    const what = revision === undefined ? `the keys of ${origin}` : `the key ${origin}-${revision}`
    if (revision !== undefined && !isKeyRevision(revision))
      throw new DepotError('not_found', `there is no key ${origin}-${revision}`)
    await answering(asker, async () => {
      await this.#expectAskable(origin, what, asker)
      const source = this.#sourceFor(asker)
      await this.#ask(what, what, async () => {
        const isThere =
          revision === undefined
            ? (await recordKeys(this.#depot, source, origin)).size > 0
            : (await recordKey(this.#depot, source, { origin, revision })) !== 'absent'
        if (!isThere) throw new DepotError('not_found', `upstream does not have ${what}`)
      })
    })
  }

  /** Ends all fetches, and drops releases that have not arrived completely. */
  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.allSettled([...this.#fetches.values()].map(({ done }) => done))
  }

  /** Returns the fetch of a release, which it starts if none is in progress. */
  async #fetch(release: ReleaseName, asker: Asker, pace?: Pace): Promise<Fetch> {
    const key = keyOf(release, asker)
    if (!this.#fetches.has(key)) await this.#expectAskable(identOf(release).origin, key, asker)
    const running = this.#fetches.get(key) // perhaps started meanwhile
    if (running !== undefined) return running
    const arrival = new Arrival()
    const done = this.#receive(release, asker, arrival, pace).finally(() => this.#fetches.delete(key))
    done.catch(() => undefined) // also handled by those who wait
    const fetch = { arrival, done }
    this.#fetches.set(key, fetch)
    return fetch
  }

  async #receive(release: ReleaseName, asker: Asker, arrival: Arrival, pace?: Pace): Promise<void> {
    const missing = { ident: identOf(release), target: release.target, mayBePrivate: asker.seesPrivate }
    const source = this.#sourceFor(asker)
    const findKey = async (signer: KeyName) => this.#findKey(source, signer)
    try {
      const sizeBytes = await this.#ask(release.ident, keyOf(release, asker), () =>
        this.#slots.run(() =>
          traced('fetch', { 'hart_depot.origin': missing.ident.origin }, () =>
            fetchRelease(this.#depot, source, missing, { arrival, findKey, pace }),
          ),
        ),
      )
      const { stored, storedBytes, failed } = this.#counts
      this.#counts = { stored: stored + 1, storedBytes: storedBytes + sizeBytes, failed }
      arrival.end('stored')
    } catch (error) {
      this.#counts = { ...this.#counts, failed: this.#counts.failed + 1 }
      arrival.end('failed')
      throw error
    }
  }

  /** Records the key of a signer, if its origin is one for which upstream may be asked. */
  async #findKey(source: RemoteDepot, signer: KeyName): Promise<void> {
    if (await this.#isAsked(signer.origin)) await recordKey(this.#depot, source, signer)
  }

  /** Returns a client whose requests name the depots that the question came through, and this one. */
  #sourceFor({ via }: Asker): RemoteDepot {
    const passed = via?.match(PSEUDONYM) ?? []
    return this.#source.withHeaders({
      via: [...passed, this.#pseudonym].map((name) => `1.1 ${name}`).join(', '),
    })
  }

  async #isAsked(origin: string): Promise<boolean> {
    const { config, db } = this.#depot
    return isListed(config, origin) && (await findOrigin(db, origin))?.isUpstream === true
  }

  /**
   * Checks that a question may go to upstream now, and counts it for the caller's address. Throws a
   * remembered failure, `not_found` for other origins, `upstream_failed` if the question already came through
   * this depot, and `too_many_attempts`.
   */
  async #expectAskable(origin: string, key: string, { address, via }: Asker): Promise<void> {
    const failure = this.#failures.get(key)
    if (failure !== undefined) throw failure
    if (!(await this.#isAsked(origin)))
      throw new DepotError('not_found', `nothing of the origin ${origin} is fetched from upstream`)
    if (via?.includes(this.#pseudonym) === true)
      throw new DepotError(
        'upstream_failed',
        'DEPOT_UPSTREAM leads back to this depot: it names this depot, or another one whose upstream is this depot',
      )
    const limited = address === undefined ? undefined : this.#limit.count(address)
    if (limited !== undefined) throw limited
  }

  /** Asks upstream. Turns failures of upstream into `upstream_failed`, logs them and remembers them. */
  async #ask<T>(what: string, key: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (this.#abort.signal.aborted) throw new DepotError('shutting_down', 'the depot is stopping')
      if (error instanceof DepotError && OWN_FAILURES.includes(error.code)) {
        if (error.code === 'not_found') this.#failures.set(key, error, MISS_KEPT_MS)
        throw error
      }
      if (!(error instanceof DepotError) && !(error instanceof RemoteError)) throw error
      const reason = describeFault(error)
      const failure = new DepotError('upstream_failed', `upstream cannot give ${what}: ${reason}`, {
        cause: error,
      })
      this.#depot.log.warn({ reason }, `upstream cannot give ${what}`)
      this.#failures.set(key, failure, FAILURE_KEPT_MS)
      throw failure
    }
  }
}

/** The messages for anonymous callers, which contain no words of upstream and no figures of the depot. */
const PLAIN_FAILURES: Readonly<Partial<Record<ErrorCode, string>>> = {
  upstream_failed: 'upstream cannot give this now: the log of the depot says why',
  quota_exceeded: 'there is no room for this: a quota is exceeded',
}

/** Runs `act` for a caller. Anonymous callers get the plain message of an error. */
async function answering<T>({ address }: Asker, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (address === undefined || !(error instanceof DepotError)) throw error
    // Without a cause, the failure is the depot's own refusal to ask, which repeats no words of upstream.
    if (error.code === 'upstream_failed' && error.cause === undefined) throw error
    const plain = PLAIN_FAILURES[error.code]
    throw plain === undefined ? error : new DepotError(error.code, plain, { cause: error })
  }
}

/** Throws `not_found` for a malformed ident, like reads of releases that are here. */
function identOf({ ident }: ReleaseName): Ident {
  try {
    return parseIdent(ident)
  } catch (cause) {
    throw new DepotError('not_found', `there is no release ${ident}`, { cause })
  }
}

/**
 * Returns the key of a question. Callers who may see private releases and callers who may not have different
 * keys, so they share no fetch and no failure.
 */
function keyOf(release: ReleaseName, { seesPrivate }: Asker): string {
  return `${releaseKey(release)} ${seesPrivate}`
}
