import { DummyDriver, Transaction } from 'kysely'
import type { Dialect, KyselyPlugin, QueryExecutor } from 'kysely'
import type { Db } from './database.ts'
import type { Schema } from './schema.ts'

/**
 * A database that calls `check` before each statement, prepared or not. If `check` throws, the statement does
 * not run and fails with that error. A guard around another one calls both.
 */
export class GuardedDb extends Transaction<Schema> {
  readonly check: () => void

  constructor(db: Db, check: () => void) {
    const executor = db.getExecutor()
    const dialect = dialectOf(executor)
    const outer = db instanceof GuardedDb ? db.check : undefined
    const checkAll = (): void => {
      outer?.()
      check()
    }
    super({
      config: { dialect },
      dialect,
      driver: new DummyDriver(), // begins transactions, and nobody begins one here
      executor: executor.withConnectionProvider({
        provideConnection: async (consumer, options) => {
          check()
          return executor.provideConnection(consumer, options)
        },
      }),
    })
    this.check = checkAll
  }

  override withPlugin(plugin: KyselyPlugin): GuardedDb {
    return new GuardedDb(super.withPlugin(plugin), this.check)
  }
}

/** Returns a dialect for Kysely, which asks for one although the executor has all that queries need. */
function dialectOf({ adapter }: QueryExecutor): Dialect {
  return {
    createAdapter: () => adapter,
    createDriver: makeNothing,
    createQueryCompiler: makeNothing,
    createIntrospector: makeNothing,
  }
}

function makeNothing(): never {
  throw new Error('a guarded database makes no connections')
}
