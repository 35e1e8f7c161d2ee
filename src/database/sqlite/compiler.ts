import { IdentifierNode, SqliteAdapter, SqliteDialect, SqliteQueryCompiler } from 'kysely'
import type { FunctionNode, SqliteDatabase } from 'kysely'
import { engineCallOf } from '../engine-sql.ts'
import type { EngineCall } from '../engine-sql.ts'
import { Placeholder } from '../prepared.ts'
import type { ImmediateAdapter } from '../prepared.ts'

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
        this.appendValue(jsonOf(call.values))
        this.append('))')
        return
      case 'rows':
        this.append('select ')
        for (const value of call.shared) {
          this.appendValue(value)
          this.append(', ')
        }
        this.append(`${call.columns.map((_, place) => `value ->> ${place}`).join(', ')} from json_each(`)
        this.appendValue(jsonOf(call.rows))
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

function jsonOf(value: unknown): unknown {
  return value instanceof Placeholder ? value.encodedBy(JSON.stringify) : JSON.stringify(value)
}

/** The dialect of one connection. */
export class StablePlanDialect extends SqliteDialect {
  readonly #database: SqliteDatabase

  constructor(database: SqliteDatabase) {
    super({ database })
    this.#database = database
  }

  override createAdapter(): ConnectionAdapter {
    return new ConnectionAdapter(this.#database)
  }

  override createQueryCompiler(): StablePlanCompiler {
    return new StablePlanCompiler()
  }
}

class ConnectionAdapter extends SqliteAdapter implements ImmediateAdapter {
  readonly #database: SqliteDatabase

  constructor(database: SqliteDatabase) {
    super()
    this.#database = database
  }

  runNow(sql: string, parameters: readonly unknown[]): unknown[] {
    const statement = this.#database.prepare(sql)
    if (statement.reader) return statement.all(parameters)
    statement.run(parameters)
    return []
  }
}
