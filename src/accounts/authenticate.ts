import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { Subscriber } from '../ledger/follower.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import type { Caller, Session } from '../access/access.ts'
import { findSession } from './account-store.ts'
import { TokenUses } from './token-uses.ts'
import type { TokenUse } from './token-uses.ts'
import { hashToken } from './token.ts'

const MAX_SESSIONS = 10_000

interface KnownSession {
  readonly session: Session
  readonly use: TokenUse
}

/**
 * Identifies callers. Sessions are cached, so that polls with a token do not read the database. A session is
 * dropped when its account, its token or a membership of the account changes. Wrong tokens are not cached.
 */
export class Authenticator implements Subscriber {
  readonly #db: Db
  readonly #now: () => number
  readonly #maxSessions: number
  readonly #sessions = new Map<string, KnownSession>()
  /** When the tokens that this thread identified were last used. */
  readonly uses = new TokenUses()
  /** Increases when a commit changes sessions. Sessions whose read began before the commit are not cached. */
  #generation = 0

  constructor(db: Db, now: () => number, { maxSessions = MAX_SESSIONS }: { maxSessions?: number } = {}) {
    this.#db = db
    this.#now = now
    this.#maxSessions = maxSessions
  }

  /**
   * Returns the caller that an `Authorization` header names: `Bearer TOKEN`, or `Basic` with the token as the
   * password. Without a header the caller is anonymous. A malformed header and a wrong, revoked or expired
   * token throw or reject with `unauthenticated`. A cached session is returned directly, not as a promise.
   */
  identify(authorization: string | undefined): Caller | Promise<Caller> {
    if (authorization === undefined) return undefined
    const hash = hashToken(tokenIn(authorization))
    const known = this.#sessions.get(hash)
    return known === undefined
      ? this.#open(hash).then((opened) => this.#unexpired(opened))
      : this.#unexpired(known)
  }

  /** See {@link Subscriber.onCommit}. */
  onCommit(entries: readonly LedgerEntry[]): void {
    const changes = entries.flatMap(({ event }) => changedSessions(event) ?? [])
    if (changes.length === 0) return
    this.#generation += 1
    if (changes.includes('all')) return this.#sessions.clear()
    const tokens = new Set(changes.flatMap((change) => (change === 'all' ? [] : (change.tokens ?? []))))
    const accounts = new Set(changes.flatMap((change) => (change === 'all' ? [] : (change.accounts ?? []))))
    for (const [hash, { session }] of this.#sessions)
      if (tokens.has(session.tokenId) || accounts.has(session.accountName)) this.#sessions.delete(hash)
  }

  #unexpired({ session, use }: KnownSession): Session {
    const now = this.#now()
    expectUnexpired(session, now)
    use.at = now // a poll must not write; TokenUses stores this later
    return session
  }

  async #open(hash: string): Promise<KnownSession> {
    const generation = this.#generation
    const session = await findSession(this.#db, { hash })
    if (session === undefined) throw new DepotError('unauthenticated', UNKNOWN_TOKEN)
    if (this.#sessions.size >= this.#maxSessions) this.#makeRoom()
    const known = { session, use: this.uses.of(session.tokenId) }
    // The token may have been revoked during the read.
    if (generation === this.#generation) this.#sessions.set(hash, known)
    return known
  }

  /**
   * Drops the expired sessions and, if none has expired, the tenth of all that was used least recently.
   * Jobs use many tokens for a short time, and must not displace the tokens of supervisors.
   */
  #makeRoom(): void {
    const now = this.#now()
    for (const [hash, { session }] of this.#sessions)
      if (session.expiresAt !== undefined && session.expiresAt <= now) this.#sessions.delete(hash)
    if (this.#sessions.size < this.#maxSessions) return
    const byLastUse = [...this.#sessions].toSorted(([, one], [, other]) => one.use.at - other.use.at)
    for (const [hash] of byLastUse.slice(0, Math.ceil(this.#maxSessions / 10))) this.#sessions.delete(hash)
  }
}

export const UNKNOWN_TOKEN = 'the token is unknown or revoked, or its account is disabled'

/**
 * Returns the session. Throws `unauthenticated` if its token has expired. `now` is the wall clock; commit
 * times may be ahead of it.
 */
export function expectUnexpired(session: Session, now: number): Session {
  if (session.expiresAt !== undefined && session.expiresAt <= now)
    throw new DepotError('unauthenticated', 'the token has expired')
  return session
}

/** The sessions that an event may change: all, or those of tokens, by their ids, and of accounts. */
type SessionChange = 'all' | { readonly tokens?: readonly number[]; readonly accounts?: readonly string[] }

/**
 * Returns the sessions for which {@link findSession} may return something else after an event; `undefined` if
 * there are none. A new token changes no session, because unknown tokens are not cached.
 */
export function changedSessions(event: LedgerEvent): SessionChange | undefined {
  const { kind } = event
  if (kind === 'token-narrowed' || kind === 'token-revoked') return { tokens: [event.token] }
  if (kind === 'account-disabled' || kind === 'account-enabled' || kind === 'member-set')
    return { accounts: [event.account] }
  if (kind === 'origin-created') return { accounts: [event.owner] }
  if (kind === 'origin-transferred') return { accounts: [event.from, event.to] }
  return kind === 'origin-deleted' || kind === 'group-role-set' ? 'all' : undefined
}

const BEARER = 'Bearer '

/** Returns the token in an `Authorization` header. Throws `unauthenticated`. */
function tokenIn(authorization: string): string {
  // The form that hab sends. Splitting it would cost a tenth of a poll.
  if (authorization.startsWith(BEARER) && !authorization.includes(' ', BEARER.length))
    return authorization.slice(BEARER.length)
  const [scheme = '', credential = '', ...rest] = authorization.trim().split(/\s+/)
  if (credential === '' || rest.length > 0)
    throw new DepotError(
      'unauthenticated',
      'the Authorization header is not "Bearer TOKEN" or "Basic CREDENTIALS"',
    )
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return credential
    case 'basic': {
      const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credential, 'base64').toString('utf8')) ?? []
      return password
    }
    default:
      throw new DepotError('unauthenticated', 'the Authorization header is neither Bearer nor Basic')
  }
}
