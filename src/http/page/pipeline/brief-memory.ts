/** How long a value is kept after it was made. */
const KEPT_MS = 1_000

/**
 * Makes values that many callers want at the same time, as pages do that all follow the depot, once. A value
 * is kept for a second, and each key must say everything that the value depends on.
 */
export class BriefMemory<Value> {
  readonly #values = new Map<string, Promise<Value>>()

  /** Returns the value of a key. Calls `make` if there is none, or rejects as `make` does. */
  async get(key: string, make: () => Promise<Value>): Promise<Value> {
    const known = this.#values.get(key)
    if (known !== undefined) return known
    const value = make()
    this.#values.set(key, value)
    const forget = () => {
      setTimeout(() => this.#values.delete(key), KEPT_MS).unref()
    }
    value.then(forget, () => this.#values.delete(key))
    return value
  }
}
