import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { Subscriber } from '../ledger/follower.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import type { Caller, Session } from '../access/access.ts'
import { findSession } from './account-store.ts'
import { hashToken } from './token.ts'

const MAX_SESSIONS = 10_000

/**
 * Identifies callers. Sessions are cached, so that polls with a token do not read the database. The cache is cleared when
 * an account, a token or a membership changes. Wrong tokens are not cached.
 */
export class Authenticator implements Subscriber {
  readonly #db: Db
  readonly #now: () => number
  readonly #sessions = new Map<string, Session>()
  #generation = 0

  constructor(db: Db, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /**
   * Returns the caller that an `Authorization` header names: `Bearer TOKEN`, or `Basic` with the token as the password. Without a
   * header the caller is anonymous. A malformed header and a wrong, revoked or expired token throw or reject with `unauthenticated`.
   * A cached session is returned directly, not as a promise.
   */
  identify(authorization: string | undefined): Caller | Promise<Caller> {
    if (authorization === undefined) return undefined
    const hash = hashToken(tokenIn(authorization))
    const session = this.#sessions.get(hash)
    return session === undefined
      ? this.#open(hash).then((opened) => this.#unexpired(opened))
      : this.#unexpired(session)
  }

  /** See {@link Subscriber.onCommit}. */
  onCommit(entries: readonly LedgerEntry[]): void {
    if (entries.some(({ event }) => changesSessions(event))) {
      this.#generation += 1
      this.#sessions.clear()
    }
  }

  #unexpired(session: Session): Session {
    return expectUnexpired(session, this.#now())
  }

  async #open(hash: string): Promise<Session> {
    const generation = this.#generation
    const session = await findSession(this.#db, { hash })
    if (session === undefined) throw new DepotError('unauthenticated', 'the token is unknown or revoked')
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear()
    if (generation === this.#generation) this.#sessions.set(hash, session) // unless the token may have been revoked during the read
    return session
  }
}

/**
 * Returns the session. Throws `unauthenticated` if its token has expired. `now` is the wall clock; commit times may
 * be ahead of it.
 */
export function expectUnexpired(session: Session, now: number): Session {
  if (session.expiresAt !== undefined && session.expiresAt <= now)
    throw new DepotError('unauthenticated', 'the token has expired')
  return session
}

/** Reports whether this event may change the rights of a token or a role. */
export function changesSessions({ kind }: LedgerEvent): boolean {
  return CHANGES_SESSIONS.has(kind)
}

const CHANGES_SESSIONS: ReadonlySet<LedgerEntry['event']['kind']> = new Set([
  'account-added',
  'token-issued',
  'token-revoked',
  'origin-created',
  'origin-transferred',
  'origin-deleted',
  'member-set',
])

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
