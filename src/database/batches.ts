import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

/** The most values in one statement, so that no statement runs long. */
const MOST_IN_A_STATEMENT = 1_000

/** Splits the distinct values into lists for one statement each. */
export function inBatches<Value>(values: Iterable<Value>): Value[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / MOST_IN_A_STATEMENT) }, (_, index) =>
    different.slice(index * MOST_IN_A_STATEMENT, (index + 1) * MOST_IN_A_STATEMENT),
  )
}

/** The right side of `in`. All values are one parameter, so one prepared statement serves any number of them. */
export function among<Value extends string | number>(values: readonly Value[]): RawBuilder<Value> {
  return sql<Value>`(select value from json_each(${JSON.stringify(values)}))`
}

/** The rows of an `insert … select`, as one parameter. Its columns are `value ->> 0` and so on. */
export function rowsOf(rows: readonly (readonly (string | number)[])[]): RawBuilder<unknown> {
  return sql`json_each(${JSON.stringify(rows)})`
}
