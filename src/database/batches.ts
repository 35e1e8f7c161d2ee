/** The most values in one statement, so that no statement runs long. */
const MOST_IN_A_STATEMENT = 1_000

/** Splits the distinct values into lists for one statement each. */
export function inBatches<Value>(values: Iterable<Value>, most = MOST_IN_A_STATEMENT): Value[][] {
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / most) }, (_, index) =>
    different.slice(index * most, (index + 1) * most),
  )
}
