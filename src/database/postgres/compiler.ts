import { IdentifierNode, PostgresDialect, PostgresQueryCompiler } from 'kysely'
import type { BinaryOperationNode, FunctionNode } from 'kysely'
import { engineCallOf, listAfterIn } from '../engine-sql.ts'
import type { EngineCall } from '../engine-sql.ts'
import { Placeholder } from '../prepared.ts'

/** Writes the SQL of PostgreSQL for the calls of `engine-sql.ts` and for lists after `in`. */
class PostgresCompiler extends PostgresQueryCompiler {
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const list = listAfterIn(node)
    if (list === undefined) {
      super.visitBinaryOperation(node)
      return
    }
    const isIn = 'operator' in node.operator && node.operator.operator === 'in'
    this.visitNode(node.leftOperand)
    if (list instanceof Placeholder && list.isOfOne) {
      this.append(isIn ? ' = ' : ' <> ')
      this.appendValue(list.encodedBy((values) => (values as unknown[])[0]))
      return
    }
    this.append(isIn ? ' = any(' : ' <> all(')
    this.appendValue(list)
    this.append(')')
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
        return
      case 'unindexed':
        this.visitNode(call.operand)
        return
      case 'columnType':
        this.append(call.type === 'text' ? 'text collate "C"' : 'bigint')
    }
  }

  /**
   * Several rows are one JSON text, whose values get the types of the table's columns. A shared value gets
   * its type from `coalesce` with its column, which is NULL in these rows.
   */
  #writeRows({ table, shared, sharedColumns, columns, rows }: Extract<EngineCall, { name: 'rows' }>): void {
    const [first, ...others] = [
      ...shared.map(
        (value, place) => () => this.#writeShared(value, sharedColumns[place] ?? '', rows.isOfOne),
      ),
      ...columns.map((column, place) => () => {
        if (rows.isOfOne) this.appendValue(rows.encodedBy((list) => (list as unknown[][])[0]?.[place]))
        else this.visitNode(IdentifierNode.create(column))
      }),
    ]
    this.append(rows.isOfOne ? 'values (' : 'select ')
    first?.()
    for (const write of others) {
      this.append(', ')
      write()
    }
    if (rows.isOfOne) {
      this.append(')')
      return
    }
    this.append(' from json_populate_recordset(null::')
    this.visitNode(IdentifierNode.create(table))
    this.append(', ')
    this.appendValue(rows.encodedBy((list) => jsonOf(list as unknown[][], columns)))
    this.append(')')
  }

  #writeShared(value: Placeholder, column: string, isOfOne: boolean): void {
    if (isOfOne) {
      this.appendValue(value)
      return
    }
    this.append('coalesce(')
    this.appendValue(value)
    this.append(', ')
    this.visitNode(IdentifierNode.create(column))
    this.append(')')
  }
}

function jsonOf(rows: readonly (readonly unknown[])[], columns: readonly string[]): string {
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map((column, place) => [column, row[place]]))),
  )
}

/** Kysely's dialect, with the compiler of this file. */
export class CompilingDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresCompiler {
    return new PostgresCompiler()
  }
}
