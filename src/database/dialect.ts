import { SqliteDialect, SqliteQueryCompiler } from 'kysely'
import type { SqliteDatabase } from 'kysely'

/**
 * SQLite takes a parameter's value into account when it plans a statement, and plans it anew whenever another is bound, which costs several
 * times what a small statement does. Into an expression it does not look: so each parameter has a plus before it, which does nothing else.
 * What a partial index is chosen by must therefore be a literal.
 */
export class StablePlanCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?'
  }
}

/** Of one connection. */
export class StablePlanDialect extends SqliteDialect {
  constructor(database: SqliteDatabase) {
    super({ database })
  }

  override createQueryCompiler(): StablePlanCompiler {
    return new StablePlanCompiler()
  }
}
