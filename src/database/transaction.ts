import type { Db, Trx } from './database.ts'
import { GuardedDb } from './guarded-db.ts'
import { isImmediate } from './prepared.ts'
import type { ImmediateAdapter } from './prepared.ts'

/** A transaction that has begun. Whoever began it ends it. Then no statement runs in `trx` any more. */
export interface OpenTransaction {
  readonly trx: Trx
  readonly isCommitted: boolean
  readonly isRolledBack: boolean
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** Begins a transaction. Until it ends, nobody else may use a `db` that runs statements in this thread. */
export async function begin(db: Db): Promise<OpenTransaction> {
  const { adapter } = db.getExecutor()
  if (isImmediate(adapter)) return new ImmediateTransaction(db, adapter)
  const trx = await db.startTransaction().execute()
  return {
    trx,
    get isCommitted() {
      return trx.isCommitted
    },
    get isRolledBack() {
      return trx.isRolledBack
    },
    commit: () => trx.commit().execute(),
    rollback: () => trx.rollback().execute(),
  }
}

/**
 * A transaction on the connection of an adapter. Kysely's own transactions take some twenty promises, which
 * cost as much as several small statements.
 */
class ImmediateTransaction implements OpenTransaction {
  readonly trx: Trx
  readonly #adapter: ImmediateAdapter
  #state: 'open' | 'committed' | 'rolled back' = 'open'

  constructor(db: Db, adapter: ImmediateAdapter) {
    this.#adapter = adapter
    this.trx = new GuardedDb(db, () => {
      if (this.#state !== 'open') throw new Error('the transaction of a query is over')
    })
    adapter.runNow('begin', [])
  }

  get isCommitted(): boolean {
    return this.#state === 'committed'
  }

  get isRolledBack(): boolean {
    return this.#state === 'rolled back'
  }

  async commit(): Promise<void> {
    this.#adapter.runNow('commit', [])
    this.#state = 'committed'
  }

  async rollback(): Promise<void> {
    this.#state = 'rolled back'
    this.#adapter.runNow('rollback', [])
  }
}
