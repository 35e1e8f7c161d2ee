import type { JSONWebKeySet, LocalJWKSet } from 'jose'
import { DepotError } from '../errors.ts'
import { networkFault } from '../network-fault.ts'
import { requestIssuer } from './issuer-request.ts'
import type { IssuerRequestOptions } from './issuer-request.ts'

/** If the depot needs keys of this age, it reads them again. */
export const FRESH_MS = 10 * 60_000
/**
 * The depot never uses keys of this age, even if it cannot reach the issuer. A key that the issuer withdraws
 * is therefore accepted for at most an hour longer.
 */
export const USABLE_MS = 60 * 60_000
/** The minimum time between two attempts to read the keys of an issuer, whatever callers send. */
export const MIN_INTERVAL_MS = 10_000

/** The public keys of an issuer. `readAt` is when the read began, in epoch milliseconds. */
export interface KnownKeys {
  readonly keys: LocalJWKSet
  readonly readAt: number
}

interface Issuer {
  known?: KnownKeys
  /** When the last attempt to read the keys began, in epoch milliseconds. */
  triedAt: number
  /** Why the last attempt failed; absent if it did not. */
  fault?: string
  /** The attempt that is under way, for which all callers wait. */
  attempt?: Promise<void> | undefined
}

/**
 * Reads the keys of issuers, and caches them in this thread. Callers must pass only issuers that an exchange
 * rule names, so that only administrators decide where the depot connects.
 */
export class IssuerKeys {
  readonly #options: IssuerRequestOptions
  readonly #now: () => number
  readonly #issuers = new Map<string, Issuer>()

  constructor(options: IssuerRequestOptions, now: () => number) {
    this.#options = options
    this.#now = now
  }

  /**
   * Returns the keys of an issuer. If the issuer does not answer, returns the cached keys for up to an hour
   * after they were read. Throws `issuer_unavailable` if there are no usable keys.
   */
  async read(issuer: string): Promise<KnownKeys> {
    const now = this.#now()
    const { known } = this.#of(issuer)
    if (known !== undefined && isYounger(known, FRESH_MS, now)) return known
    return this.#readNow(issuer, now)
  }

  /**
   * Returns keys that were read after `than` (epoch milliseconds), for a token that none of the cached keys
   * signed. Throws `issuer_unavailable` if the last attempt is less than {@link MIN_INTERVAL_MS} ago, or if
   * the issuer does not answer.
   */
  async readNewer(issuer: string, than: number): Promise<KnownKeys> {
    const known = await this.#readNow(issuer, this.#now())
    if (known.readAt > than) return known
    throw this.#unavailable(issuer, this.#of(issuer).fault ?? 'they were read a moment ago')
  }

  async #readNow(issuer: string, now: number): Promise<KnownKeys> {
    const state = this.#of(issuer)
    const isAskedAgain = now - state.triedAt >= MIN_INTERVAL_MS || now < state.triedAt
    if (isAskedAgain && state.attempt === undefined) {
      state.triedAt = now
      state.attempt = this.#attempt(issuer, state, now).finally(() => (state.attempt = undefined))
    }
    await state.attempt
    if (state.known !== undefined && isYounger(state.known, USABLE_MS, now)) return state.known
    throw this.#unavailable(issuer, state.fault ?? 'they are too old')
  }

  async #attempt(issuer: string, state: Issuer, now: number): Promise<void> {
    try {
      const { createLocalJWKSet } = await import('jose')
      state.known = { keys: createLocalJWKSet(await this.#fetch(issuer)), readAt: now }
      delete state.fault
    } catch (error) {
      state.fault = error instanceof Error ? networkFault(error) : String(error)
    }
  }

  /** Fetches the keys from the URL that the issuer's metadata names (OpenID Connect Discovery 1.0, 4). */
  async #fetch(issuer: string): Promise<JSONWebKeySet> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const { issuer: named, jwks_uri: keysUrl } = await this.#fetchObject(new URL(url))
    if (named !== issuer) throw new Error(`${url} is about the issuer ${JSON.stringify(named)}`)
    const location = typeof keysUrl === 'string' ? URL.parse(keysUrl) : null
    if (location === null) throw new Error(`${url} names no jwks_uri`)
    return (await this.#fetchObject(location)) as unknown as JSONWebKeySet // jose checks its shape
  }

  async #fetchObject(url: URL): Promise<Record<string, unknown>> {
    const headers = { accept: 'application/json' }
    const { status, body } = await requestIssuer(url, { method: 'GET', headers }, this.#options)
    if (status !== 200) throw new Error(`${url.href} answered ${status}`)
    try {
      const parsed: unknown = JSON.parse(body.toString('utf8'))
      if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
    } catch {
      // The message of the parser would quote the answer.
    }
    throw new Error(`${url.href} answered something other than a JSON object`)
  }

  #of(issuer: string): Issuer {
    const state = this.#issuers.get(issuer) ?? { triedAt: -Infinity }
    this.#issuers.set(issuer, state)
    return state
  }

  #unavailable(issuer: string, fault: string): DepotError {
    const waitMs = MIN_INTERVAL_MS - (this.#now() - this.#of(issuer).triedAt)
    return new DepotError('issuer_unavailable', `the keys of ${issuer} cannot be read now: ${fault}`, {
      retryAfterSeconds: Math.max(1, Math.min(MIN_INTERVAL_MS / 1_000, Math.ceil(waitMs / 1_000))),
    })
  }
}

function isYounger({ readAt }: KnownKeys, ms: number, now: number): boolean {
  return now >= readAt && now - readAt < ms
}
