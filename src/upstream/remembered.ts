/** Remembers values for some time, at most `maxSize` of them. The oldest are forgotten first. */
export class Remembered<Value> {
  readonly #now: () => number
  readonly #maxSize: number
  readonly #values = new Map<string, { readonly value: Value; readonly until: number }>()

  /** `now` returns epoch milliseconds. */
  constructor(now: () => number, maxSize: number) {
    this.#now = now
    this.#maxSize = maxSize
  }

  get(key: string): Value | undefined {
    const found = this.#values.get(key)
    if (found === undefined) return undefined
    if (found.until > this.#now()) return found.value
    this.#values.delete(key)
    return undefined
  }

  set(key: string, value: Value, forMs: number): void {
    this.#values.delete(key)
    const [oldest] = this.#values.keys()
    if (oldest !== undefined && this.#values.size >= this.#maxSize) this.#values.delete(oldest)
    this.#values.set(key, { value, until: this.#now() + forMs })
  }
}
