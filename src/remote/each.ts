/**
 * Runs a function for each item, at most `parallel` at a time. After the first failure, waits for those in
 * progress, starts no others, and throws the failure.
 */
export async function each<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  parallel: number,
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = all(items)
  let hasFailed = false
  const worker = async () => {
    try {
      for (;;) {
        const { done, value } = await iterator.next()
        if (done === true || hasFailed) return
        await act(value)
      }
    } catch (error) {
      hasFailed = true
      throw error
    }
  }
  const results = await Promise.allSettled(Array.from({ length: parallel }, worker))
  await iterator.return(undefined)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Wraps the items in a generator, because a generator queues concurrent calls of `next`. */
async function* all<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item, undefined> {
  yield* items
  return undefined
}
