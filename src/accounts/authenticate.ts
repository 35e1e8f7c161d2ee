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
 * Identifies callers. Sessions are cached, so that polls with a token do not read the database. The cache is
 * cleared when an account, a token or a membership changes. Wrong tokens are not cached.
 */
export class Authenticator implements Subscriber {
  readonly #db: Db
  readonly #now: () => number
  readonly #sessions = new Map<string, KnownSession>()
  /** When the tokens that this thread identified were last used. */
  readonly uses = new TokenUses()
  /** Increases when a commit clears the cache, so that a session that was read before is not cached after. */
  #generation = 0

  constructor(db: Db, now: () => number) {
    this.#db = db
    this.#now = now
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
    if (entries.some(({ event }) => changesSessions(event))) {
      this.#generation += 1
      this.#sessions.clear()
    }
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
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear()
    const known = { session, use: this.uses.of(session.tokenId) }
    // The token may have been revoked during the read.
    if (generation === this.#generation) this.#sessions.set(hash, known)
    return known
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

/** Reports whether an event may change what {@link findSession} returns for some token. */
export function changesSessions({ kind }: LedgerEvent): boolean {
  return CHANGES_SESSIONS.has(kind)
}

const CHANGES_SESSIONS: ReadonlySet<LedgerEvent['kind']> = new Set([
  'account-added',
  'account-disabled',
  'account-enabled',
  'token-issued',
  'token-narrowed',
  'token-revoked',
  'origin-created',
  'origin-transferred',
  'origin-deleted',
  'member-set',
])

/** Returns the token in an `Authorization` header. Throws `unauthenticated`. */
function tokenIn(authorization: string): string {
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
