/** The maximum number of values in one statement, so that no statement runs long. */
const MAX_BATCH_SIZE = 1_000

/** Splits the distinct values into lists for one statement each. */
export function inBatches<Value>(
  values: Iterable<Value>,
  max = MAX_BATCH_SIZE,
): readonly (readonly Value[])[] {
  if (Array.isArray(values) && values.length <= 1) return values.length === 0 ? [] : [values as Value[]]
  const different = [...new Set(values)]
  return Array.from({ length: Math.ceil(different.length / max) }, (_, index) =>
    different.slice(index * max, (index + 1) * max),
  )
}
