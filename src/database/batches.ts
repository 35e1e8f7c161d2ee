/** The most values in one statement, so that no statement runs long. */
const MOST_IN_A_STATEMENT = 1_000

/** Splits the distinct values into lists for one statement each. */
export function inBatches<Value>(values: Iterable<Value>): Value[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / MOST_IN_A_STATEMENT) }, (_, index) =>
    different.slice(index * MOST_IN_A_STATEMENT, (index + 1) * MOST_IN_A_STATEMENT),
  )
}
