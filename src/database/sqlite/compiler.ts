import { IdentifierNode, SqliteAdapter, SqliteDialect, SqliteQueryCompiler } from 'kysely'
import type { BinaryOperationNode, FunctionNode, SqliteDatabase } from 'kysely'
import { engineCallOf, listAfterIn } from '../engine-sql.ts'
import type { EngineCall } from '../engine-sql.ts'
import { Placeholder } from '../prepared.ts'
import type { ImmediateAdapter } from '../prepared.ts'

/**
 * Writes the SQL of SQLite for the calls of `engine-sql.ts` and for lists after `in`. Writes each parameter
 * as the expression `+?`: SQLite looks at the value of a plain `?` when it plans a statement, and plans again
 * for every new value, which costs more than running a small statement. SQLite does not look into
 * expressions. So a condition must contain literals, not parameters, if it should match the condition of a
 * partial index.
 */
export class StablePlanCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?'
  }

  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const list = listAfterIn(node)
    if (list === undefined) {
      super.visitBinaryOperation(node)
      return
    }
    this.visitNode(node.leftOperand)
    this.append(' ')
    this.visitNode(node.operator)
    this.append(' ')
    this.#writeList(list)
  }

  protected override visitFunction(node: FunctionNode): void {
    const call = engineCallOf(node)
    if (call === undefined) super.visitFunction(node)
    else this.#write(call)
  }

  #write(call: EngineCall): void {
    switch (call.name) {
      case 'rows':
        this.#writeRows(call)
        return
      case 'usingIndex':
        this.visitNode(IdentifierNode.create(call.table))
        this.append(' indexed by ')
        this.visitNode(IdentifierNode.create(call.index))
        return
      case 'unindexed':
        this.append('+')
        this.visitNode(call.operand)
        return
      case 'columnType':
        this.append(call.type === 'text' ? 'text' : 'integer')
    }
  }

  #writeList(values: readonly unknown[] | Placeholder): void {
    if (values instanceof Placeholder && values.isOfOne) {
      this.append('(')
      this.appendValue(values.encodedBy((list) => (list as unknown[])[0]))
      this.append(')')
      return
    }
    this.append('(select value from json_each(')
    this.appendValue(jsonOf(values))
    this.append('))')
  }

  #writeRows({ shared, columns, rows }: Extract<EngineCall, { name: 'rows' }>): void {
    // A table with triggers first collects the rows of a `select` in another table.
    this.append(rows.isOfOne ? 'values (' : 'select ')
    for (const value of shared) {
      this.appendValue(value)
      this.append(', ')
    }
    if (rows.isOfOne)
      for (const place of columns.keys()) {
        this.append(place === 0 ? '' : ', ')
        this.appendValue(rows.encodedBy((list) => (list as unknown[][])[0]?.[place]))
      }
    else {
      this.append(`${columns.map((_, place) => `value ->> ${place}`).join(', ')} from json_each(`)
      this.appendValue(jsonOf(rows))
    }
    // Without `where true`, `on conflict` would be read as the condition of a join.
    this.append(rows.isOfOne ? ')' : ') where true')
  }
}

function jsonOf(value: unknown): unknown {
  return value instanceof Placeholder ? value.encodedBy(JSON.stringify) : JSON.stringify(value)
}

/** Kysely's dialect for one connection, with {@link StablePlanCompiler}. */
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
