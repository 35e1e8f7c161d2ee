/**
 * A queue in which keys, for example accounts, take turns. Between two items of one key, each other key gets
 * at most one turn, however many items it has.
 */
export class Turns<Item> {
  /** Queues by key. None is empty. The key with the next turn comes first. */
  readonly #queues = new Map<number, Item[]>()
  #length = 0

  get length(): number {
    return this.#length
  }

  lengthOf(key: number): number {
    return this.#queues.get(key)?.length ?? 0
  }

  push(key: number, item: Item): void {
    const queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, [item])
    else queue.push(item)
    this.#length += 1
  }

  /** Removes and returns the next item of the allowed keys. */
  shift(isAllowed: (key: number) => boolean = () => true): Item | undefined {
    for (const [key, queue] of this.#queues) {
      if (!isAllowed(key)) continue
      const item = queue.shift()
      this.#queues.delete(key)
      if (queue.length > 0) this.#queues.set(key, queue)
      this.#length -= 1
      return item
    }
    return undefined
  }
}
