import {
  ExpressionWrapper,
  FunctionNode,
  IdentifierNode,
  OperatorNode,
  PrimitiveValueListNode,
  ValueNode,
} from 'kysely'
import type {
  AliasedExpression,
  BinaryOperationNode,
  Expression,
  Insertable,
  OperationNode,
  Selectable,
} from 'kysely'
import { inBatches } from './batches.ts'
import type { Db } from './database.ts'
import { Placeholder, prepared } from './prepared.ts'
import type { Slot } from './prepared.ts'
import type { Schema } from './schema.ts'

// The SQL that differs between engines. Stores call these functions, and the engine's query compiler
// (`sqlite/compiler.ts`) writes the SQL of its engine for each call, and for lists after `in`. All other SQL
// of stores is common to SQLite and PostgreSQL.

/** A piece of a statement for the engine's query compiler. */
export type EngineCall =
  | {
      readonly name: 'rows'
      readonly table: string
      readonly columns: readonly string[]
      /** Columns that come before `columns`, and have the same values in each row. */
      readonly sharedColumns: readonly string[]
      readonly shared: readonly Placeholder[]
      /** A list of rows, each a list of values. */
      readonly rows: Placeholder
    }
  | { readonly name: 'usingIndex'; readonly table: string; readonly index: string }
  | { readonly name: 'unindexed'; readonly operand: OperationNode }
  | { readonly name: 'columnType'; readonly type: 'text' | 'number' }

type Scalar = string | number | null

/**
 * Returns a table that the engine must read through the given index. In the query, the call takes the place
 * of the table's alias, where the engine's compiler finds it. SQLite has no statistics, so it might otherwise
 * choose an index with which it scans everything that a view ever contained. A statement that cannot use the
 * index fails. PostgreSQL, which keeps statistics, needs the table alone.
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
 * Returns a column that the engine must not look up in an index. SQLite otherwise scans a range of one index
 * where another would find a single row. PostgreSQL needs the column alone.
 */
export function unindexed<Value>(column: Expression<Value>): Expression<Value> {
  return expressionOf<Value>({ name: 'unindexed', operand: column.toOperationNode() })
}

/** Returns the type of a column of texts, which are compared by their bytes, or of whole numbers. */
export function columnType(type: 'text' | 'number'): Expression<unknown> {
  return expressionOf<unknown>({ name: 'columnType', type })
}

/**
 * Returns a function that inserts rows in few statements. All rows of a statement are one parameter. `shared`
 * names the columns that have the same value in every row. If a row exists already, the insert fails or, with
 * `onConflict: 'keep'`, keeps that row. PostgreSQL uses `json_populate_recordset`.
 */
export function inserter<
  Table extends keyof Schema,
  Column extends ColumnOf<Table>,
  Shared extends ColumnOf<Table> = never,
>(
  table: Table,
  columns: readonly Column[],
  { shared = [], onConflict = 'fail' }: { shared?: readonly Shared[]; onConflict?: 'fail' | 'keep' } = {},
): (db: Db, rows: readonly ValuesOf<Table, Column>[], shared: ValuesOf<Table, Shared>) => Promise<void> {
  const insert = prepared<Record<string, Scalar>>()((db, slots) =>
    db
      .insertInto(table)
      .columns([...shared, ...columns] as never[])
      .expression(
        expressionOf({
          name: 'rows',
          table,
          columns,
          sharedColumns: shared,
          shared: shared.map((column) => placeholderOf(slots[column])),
          rows: placeholderOf(slots[ROWS]),
        }),
      )
      .$if(onConflict === 'keep', (query) => query.onConflict((conflict) => conflict.doNothing())),
  )
  return async (db, rows, sharedValues) => {
    for (const batch of inBatches(rows)) {
      const values = batch.map((row) => columns.map((column) => row[column]))
      await insert(db, { ...sharedValues, [ROWS]: values as never })
    }
  }
}

/** The name of the argument with the rows. No column has it. */
const ROWS = ' rows'

type ColumnOf<Table extends keyof Schema> = keyof Insertable<Schema[Table]> & string
type ValuesOf<Table extends keyof Schema, Column extends ColumnOf<Table>> = {
  readonly [Name in Column]: Extract<Insertable<Schema[Table]>[Name], Scalar>
}

function placeholderOf(slot: Slot<Scalar> | undefined): Placeholder {
  if (slot === undefined) throw new Error('there is a slot for every name')
  return slot.placeholder
}

interface EngineNode extends FunctionNode {
  readonly call: EngineCall
}

/** Returns the call in a node that {@link usingIndex}, {@link unindexed} or {@link inserter} made. */
export function engineCallOf(node: FunctionNode): EngineCall | undefined {
  return 'call' in node ? (node as EngineNode).call : undefined
}

/**
 * Returns the list after `in` or `not in`; `undefined` for other operations. Compilers write the list as one
 * parameter, so that one statement serves any number of values, even none, for which SQL has no list.
 * PostgreSQL has `= any` and an array.
 */
export function listAfterIn({
  operator,
  rightOperand: right,
}: BinaryOperationNode): readonly unknown[] | Placeholder | undefined {
  if (!OperatorNode.is(operator) || !['in', 'not in'].includes(operator.operator)) return undefined
  if (PrimitiveValueListNode.is(right)) return right.values
  return ValueNode.is(right) && right.value instanceof Placeholder ? right.value : undefined
}

/** Wraps a call in a node that passes through Kysely to the compiler. */
function expressionOf<Value>(call: EngineCall): ExpressionWrapper<Schema, keyof Schema, Value> {
  const node: EngineNode = { ...FunctionNode.create(call.name, []), call }
  return new ExpressionWrapper(node)
}
