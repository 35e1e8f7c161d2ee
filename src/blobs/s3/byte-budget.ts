/**
 * Limits the memory of operations that run at the same time. Waiting operations begin in the order of their
 * calls.
 */
export class ByteBudget {
  #freeBytes: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []

  constructor(bytes: number) {
    this.#freeBytes = bytes
  }

  /** Runs `act` once `bytes` are free. They must be at most the whole budget. */
  async with<T>(bytes: number, act: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || bytes > this.#freeBytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push({ bytes, begin: resolve })
      await promise
    } else this.#freeBytes -= bytes
    try {
      return await act()
    } finally {
      this.#freeBytes += bytes
      this.#beginNext()
    }
  }

  #beginNext(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#freeBytes;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#freeBytes -= next.bytes
      next.begin()
    }
  }
}
