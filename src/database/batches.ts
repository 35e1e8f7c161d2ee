/** The maximum number of values in one statement, so that no statement runs long. */
const MAX_BATCH_SIZE = 1_000

/** Removes duplicates and splits the values into lists of at most `max`, one for each statement. */
export function inBatches<Value>(
  values: Iterable<Value>,
  max = MAX_BATCH_SIZE,
): readonly (readonly Value[])[] {
  if (Array.isArray(values) && values.length <= 1) return values.length === 0 ? [] : [values as Value[]]
  const distinct = [...new Set(values)]
  if (distinct.length <= max) return distinct.length === 0 ? [] : [distinct]
  return Array.from({ length: Math.ceil(distinct.length / max) }, (_, index) =>
    distinct.slice(index * max, (index + 1) * max),
  )
}
