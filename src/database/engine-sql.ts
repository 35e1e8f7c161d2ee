import { ExpressionWrapper, FunctionNode, IdentifierNode } from 'kysely'
import type { AliasedExpression, Expression, Insertable, OperationNode, Selectable } from 'kysely'
import { inBatches } from './batches.ts'
import type { Db } from './database.ts'
import type { Schema } from './schema.ts'

// The SQL that engines write differently. Stores call these functions, and the engine's query compiler
// (`sqlite/compiler.ts`) writes each in its own words. All other SQL of stores is common to SQLite and PostgreSQL.

/** A piece of a statement for the engine's query compiler. */
export type EngineCall =
  | { readonly name: 'among'; readonly values: readonly Scalar[] }
  | {
      readonly name: 'rows'
      readonly table: string
      readonly columns: readonly string[]
      /** The values of the columns before these, for all rows. */
      readonly shared: readonly Scalar[]
      readonly rows: readonly Row[]
    }
  | { readonly name: 'usingIndex'; readonly table: string; readonly index: string }
  | { readonly name: 'unindexed'; readonly operand: OperationNode }

type Scalar = string | number | null
type Row = readonly Scalar[]

/** Returns the right side of `in`. One prepared statement serves any number of values. PostgreSQL: an array parameter. */
export function among<Value extends string | number>(values: readonly Value[]): Expression<Value> {
  return expressionOf<Value>({ name: 'among', values })
}

/**
 * Returns a table that the engine must read through the given index. Without statistics, SQLite may choose an index that scans
 * everything a view ever held. A statement that cannot use the index fails. PostgreSQL keeps statistics: the table alone.
 */
export function usingIndex<Table extends keyof Schema>(
  table: Table,
  index: string,
): AliasedExpression<Selectable<Schema[Table]>, Table> {
  return new ExpressionWrapper<Schema, Table, Selectable<Schema[Table]>>(
    IdentifierNode.create(table),
  ).as<Table>(expressionOf({ name: 'usingIndex', table, index }))
}

/**
 * Returns a column that the engine must not look up in an index. SQLite otherwise scans a range where a key would do.
 * PostgreSQL: the column alone.
 */
export function unindexed<Value>(column: Expression<Value>): Expression<Value> {
  return expressionOf<Value>({ name: 'unindexed', operand: column.toOperationNode() })
}

/**
 * Inserts rows with equal columns in few statements. All rows of a statement are one parameter; `shared` has the columns with the same
 * value in every row. Where a row exists, `onConflict` keeps it or fails. PostgreSQL: `json_populate_recordset`.
 */
export async function insertRows<Table extends keyof Schema>(
  db: Db,
  table: Table,
  rows: readonly Partial<Insertable<Schema[Table]>>[],
  {
    shared = {},
    onConflict = 'fail',
  }: { shared?: Partial<Insertable<Schema[Table]>>; onConflict?: 'fail' | 'keep' } = {},
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {})
  for (const some of inBatches(rows)) {
    const values = some.map((row) => columns.map((column) => (row as Record<string, Scalar>)[column] ?? null))
    await db
      .insertInto(table)
      .columns([...Object.keys(shared), ...columns] as (keyof Schema[Table] & string)[])
      .expression(
        expressionOf({
          name: 'rows',
          table,
          columns,
          shared: Object.values(shared) as Scalar[],
          rows: values,
        }),
      )
      .$if(onConflict === 'keep', (query) => query.onConflict((conflict) => conflict.doNothing()))
      .execute()
  }
}

interface EngineNode extends FunctionNode {
  readonly call: EngineCall
}

/** Returns the call in a node that {@link among}, {@link usingIndex}, {@link unindexed} or {@link insertRows} made. */
export function engineCallOf(node: FunctionNode): EngineCall | undefined {
  return 'call' in node ? (node as EngineNode).call : undefined
}

function expressionOf<Value>(call: EngineCall): ExpressionWrapper<Schema, keyof Schema, Value> {
  const node: EngineNode = { ...FunctionNode.create(call.name, []), call }
  return new ExpressionWrapper(node)
}
