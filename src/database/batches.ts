/** How many values one statement names: few enough to be prepared quickly, and far below what SQLite takes. */
const MOST_IN_A_STATEMENT = 500

/** The different ones among values, in lists that a statement can take. */
export function inBatches<Value>(values: Iterable<Value>): Value[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / MOST_IN_A_STATEMENT) }, (_, index) => different.slice(index * MOST_IN_A_STATEMENT, (index + 1) * MOST_IN_A_STATEMENT))
}
