/**
 * A queue that takes turns among keys, such as accounts: however many items one key has, an item of another key waits for one item of
 * each key at most.
 */
export class Turns<Item> {
  /** Queues by key, none empty. The key whose turn is next comes first. */
  readonly #lines = new Map<number, Item[]>()
  #length = 0

  get length(): number {
    return this.#length
  }

  lengthOf(key: number): number {
    return this.#lines.get(key)?.length ?? 0
  }

  push(key: number, item: Item): void {
    const line = this.#lines.get(key)
    if (line === undefined) this.#lines.set(key, [item])
    else line.push(item)
    this.#length += 1
  }

  /** Removes and returns the next item of the allowed keys. */
  shift(mayGo: (key: number) => boolean = () => true): Item | undefined {
    for (const [key, line] of this.#lines) {
      if (!mayGo(key)) continue
      const item = line.shift()
      this.#lines.delete(key)
      if (line.length > 0) this.#lines.set(key, line)
      this.#length -= 1
      return item
    }
    return undefined
  }
}
