import { SqliteDialect, SqliteQueryCompiler } from 'kysely'
import type { SqliteDatabase } from 'kysely'

/**
 * Writes each parameter as `+?`. SQLite otherwise looks at the value of a parameter when it plans a statement, and plans
 * again for every new value, which costs more than running a small statement. It does not look into expressions. The
 * condition of a partial index must therefore be a literal.
 */
export class StablePlanCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?'
  }
}

/** The dialect of one connection. */
export class StablePlanDialect extends SqliteDialect {
  constructor(database: SqliteDatabase) {
    super({ database })
  }

  override createQueryCompiler(): StablePlanCompiler {
    return new StablePlanCompiler()
  }
}
