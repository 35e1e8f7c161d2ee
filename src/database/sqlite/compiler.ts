import { IdentifierNode, SqliteDialect, SqliteQueryCompiler } from 'kysely'
import type { FunctionNode, SqliteDatabase } from 'kysely'
import { engineCallOf } from '../engine-sql.ts'
import type { EngineCall } from '../engine-sql.ts'

/**
 * Writes the calls of `engine-sql.ts` for SQLite, and each parameter as `+?`. SQLite otherwise looks at the value of a
 * parameter when it plans a statement, and plans again for every new value, which costs more than running a small
 * statement. It does not look into expressions. The condition of a partial index must therefore be a literal.
 */
export class StablePlanCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?'
  }

  protected override visitFunction(node: FunctionNode): void {
    const call = engineCallOf(node)
    if (call === undefined) super.visitFunction(node)
    else this.#write(call)
  }

  #write(call: EngineCall): void {
    switch (call.name) {
      case 'among':
        this.append('(select value from json_each(')
        this.appendValue(JSON.stringify(call.values))
        this.append('))')
        return
      case 'rows':
        this.append('select ')
        for (const value of call.shared) {
          this.appendValue(value)
          this.append(', ')
        }
        this.append(`${call.columns.map((_, place) => `value ->> ${place}`).join(', ')} from json_each(`)
        this.appendValue(JSON.stringify(call.rows))
        this.append(') where true') // otherwise `on conflict` would be read as the condition of a join
        return
      case 'usingIndex':
        this.visitNode(IdentifierNode.create(call.table))
        this.append(' indexed by ')
        this.visitNode(IdentifierNode.create(call.index))
        return
      case 'unindexed':
        this.append('+')
        this.visitNode(call.operand)
    }
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
