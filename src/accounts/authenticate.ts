import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { LedgerEntry, LedgerEvent } from '../ledger/entry.ts'
import type { Caller, Session } from '../access/access.ts'
import { findSession } from './account-store.ts'
import { hashToken } from './token.ts'

const MOST_SESSIONS = 10_000

/**
 * Tells who is asking. Sessions are kept in memory, so that a supervisor's poll with a token reads no database; everything kept
 * is dropped when the ledger says that an account, a token or an origin's members changed. Wrong tokens are not kept.
 */
export class Authenticator {
  readonly #db: Db
  readonly #now: () => number
  readonly #sessions = new Map<string, Session>()
  #generation = 0

  constructor(db: Db, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /**
   * The caller that an `Authorization` header names: `Bearer TOKEN`, or `Basic` with the token as the password. No header is
   * anonymous; one that is malformed, or names a wrong, revoked or expired token, throws `unauthenticated`, or rejects with it.
   * Whoever asked before is known at once, and then it is no promise.
   */
  identify(authorization: string | undefined): Caller | Promise<Caller> {
    if (authorization === undefined) return undefined
    const hash = hashToken(tokenIn(authorization))
    const session = this.#sessions.get(hash)
    return session === undefined
      ? this.#open(hash).then((opened) => this.#unexpired(opened))
      : this.#unexpired(session)
  }

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
    if (this.#sessions.size >= MOST_SESSIONS) this.#sessions.clear()
    if (generation === this.#generation) this.#sessions.set(hash, session) // else it may have been revoked while we read
    return session
  }
}

/** Throws `unauthenticated`. `now` is the wall clock, which commit times may be ahead of. */
export function expectUnexpired(session: Session, now: number): Session {
  if (session.expiresAt !== undefined && session.expiresAt <= now)
    throw new DepotError('unauthenticated', 'the token has expired')
  return session
}

/** Whether what a token or a role allows may be different after this event. */
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
