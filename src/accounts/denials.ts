import { networkOf } from './address-limit.ts'

/** A request that was refused for want of rights. */
export interface DeniedRequest {
  /** Epoch milliseconds. */
  readonly at: number
  /** Absent without a valid token. */
  readonly account: string | undefined
  readonly tokenId: number | undefined
  readonly address: string
  readonly method: string
  /** The route, with the names of its parameters. */
  readonly route: string
  readonly path: string
  readonly code: string
}

/** Refused requests that are alike, and their number. */
export interface Denial {
  readonly firstAt: number
  readonly lastAt: number
  readonly requests: number
  readonly account: string | null
  readonly tokenId: number | null
  readonly network: string | null
  readonly method: string
  readonly route: string
  /** The path of the last request. */
  readonly path: string
  readonly code: string
}

/** The maximum number of denials that one thread remembers, with and without an account. */
const MAX_REMEMBERED_DENIALS = 200
const MAX_PATH_LENGTH = 200

/**
 * Counts denials in memory until they are stored, so that a flood of them costs neither writes nor memory.
 * Requests of one account or network on one route are one denial. Beyond the limit, requests that differ only
 * in account and network are one denial, too.
 */
export class Denials {
  #known = new Map<string, Denial>()
  #anonymous = new Map<string, Denial>()

  note(denied: DeniedRequest): void {
    const { account, at, code, method, route } = denied
    const denials = account === undefined ? this.#anonymous : this.#known
    const origin = {
      account: account ?? null,
      tokenId: denied.tokenId ?? null,
      network: networkOf(denied.address) as string | null,
    }
    let key = JSON.stringify([origin, code, method, route])
    if (!denials.has(key) && denials.size >= MAX_REMEMBERED_DENIALS) {
      Object.assign(origin, { account: null, tokenId: null, network: null })
      key = JSON.stringify([code, method])
    }
    const before = denials.get(key)
    denials.set(key, {
      ...origin,
      firstAt: before?.firstAt ?? at,
      lastAt: at,
      requests: (before?.requests ?? 0) + 1,
      method,
      route,
      path: denied.path.slice(0, MAX_PATH_LENGTH),
      code,
    })
  }

  /** Passes on what was counted since the last time. If `store` rejects, counts it again and rejects, too. */
  async flush(store: (denials: readonly Denial[]) => Promise<unknown>): Promise<void> {
    const [known, anonymous] = [this.#known, this.#anonymous]
    if (known.size + anonymous.size === 0) return
    this.#known = new Map()
    this.#anonymous = new Map()
    try {
      await store([...known.values(), ...anonymous.values()])
    } catch (error) {
      this.#known = merged(known, this.#known)
      this.#anonymous = merged(anonymous, this.#anonymous)
      throw error
    }
  }
}

/** Adds later denials to earlier ones, up to the limit of different ones. */
function merged(earlier: Map<string, Denial>, later: ReadonlyMap<string, Denial>): Map<string, Denial> {
  for (const [key, denial] of later) {
    const before = earlier.get(key)
    if (before === undefined && earlier.size >= MAX_REMEMBERED_DENIALS) continue
    const requests = (before?.requests ?? 0) + denial.requests
    earlier.set(key, { ...denial, firstAt: before?.firstAt ?? denial.firstAt, requests })
  }
  return earlier
}
