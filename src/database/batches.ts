import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

/** How many values one statement takes: few enough that nobody waits long for it. */
const MOST_IN_A_STATEMENT = 1_000

/** The different ones among values, in lists for one statement each. */
export function inBatches<Value>(values: Iterable<Value>): Value[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / MOST_IN_A_STATEMENT) }, (_, index) =>
    different.slice(index * MOST_IN_A_STATEMENT, (index + 1) * MOST_IN_A_STATEMENT),
  )
}

/** The right side of `in`. The values are one parameter, so that the statement is the same for any number of them, and is prepared once. */
export function among<Value extends string | number>(values: readonly Value[]): RawBuilder<Value> {
  return sql<Value>`(select value from json_each(${JSON.stringify(values)}))`
}

/** Rows for an `insert … select`: one parameter, too. Its columns are `value ->> 0` and so on. */
export function rowsOf(rows: readonly (readonly (string | number)[])[]): RawBuilder<unknown> {
  return sql`json_each(${JSON.stringify(rows)})`
}
