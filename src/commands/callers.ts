import type { Authority, Session } from '../access/access.ts'
import { findSession } from '../accounts/account-store.ts'
import { UNKNOWN_TOKEN, changedSessions, expectUnexpired } from '../accounts/authenticate.ts'
import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import type { Command } from './commands.ts'
import { requirements } from './requirements.ts'

const MAX_SESSIONS = 10_000

/**
 * The rights of callers, as the transaction has them. Each session is read once, and again after an event
 * that may have changed it. A {@link CallerCheck} for the writer.
 */
export class Callers {
  readonly #now: () => number
  readonly #sessions = new Map<number, Session>()

  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Returns the rights of a command's caller. Throws `unauthenticated` if the token is revoked or has expired
   * by the wall clock, and `forbidden` if the caller does not meet the command's requirement.
   */
  async authorize(db: Db, { kind, input, actor }: Command): Promise<Authority> {
    switch (actor.door) {
      case 'cli':
      case 'depot':
        return 'operator'
      case 'habitat':
      case 'api':
      case 'page': {
        const session = expectUnexpired(await this.#find(db, actor.tokenId), this.#now())
        // The table pairs each kind with its input; a union type cannot express the pairing.
        const require = requirements[kind] as (caller: Session, input: unknown) => void
        require(session, input)
        return session
      }
      default:
        return actor satisfies never
    }
  }

  /** Forgets all sessions if the event may have changed one. */
  onRecord(event: LedgerEvent): void {
    if (changedSessions(event) !== undefined) this.#sessions.clear()
  }

  async #find(db: Db, tokenId: number): Promise<Session> {
    const kept = this.#sessions.get(tokenId)
    if (kept !== undefined) return kept
    const session = await findSession(db, { id: tokenId })
    if (session === undefined) throw new DepotError('unauthenticated', UNKNOWN_TOKEN)
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear()
    this.#sessions.set(tokenId, session)
    return session
  }
}
