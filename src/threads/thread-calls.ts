import { packError, unpackError } from './thread-error.ts'
import type { PackedError } from './thread-error.ts'

/** Functions that one thread offers another, by name. Arguments and results are cloned. */
export type Services = Readonly<Record<string, (...args: never[]) => unknown>>

/** A worker thread, or a worker's port to its parent. */
interface Port {
  postMessage(message: Message): void
  on(event: 'message', listener: (message: Message) => void): unknown
}

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PackedError }

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * Lets two threads call each other's services. Each thread creates one object at its end of the port.
 */
export class ThreadCalls<Theirs extends Services> {
  readonly #port: Port
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #endReason: Error | undefined

  constructor(port: Port, ours: Services) {
    this.#port = port
    port.on('message', (message) => {
      if (message.kind === 'call') void this.#serve(ours, message)
      else this.#settle(message)
    })
  }

  /**
   * Calls a service of the other thread. Rejects with the service's error, or with the reason given to `end`.
   */
  call<Name extends keyof Theirs & string>(
    name: Name,
    ...args: Parameters<Theirs[Name]>
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#endReason !== undefined) return Promise.reject(this.#endReason)
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Theirs[Name]>>>()
    this.#count += 1
    this.#waiting.set(this.#count, {
      resolve: (value) => resolve(value as Awaited<ReturnType<Theirs[Name]>>),
      reject,
    })
    this.#post({ kind: 'call', id: this.#count, name, args })
    return promise
  }

  /** Rejects all pending and later calls with `reason`. */
  end(reason: Error): void {
    this.#endReason = reason
    for (const waiting of this.#waiting.values()) waiting.reject(reason)
    this.#waiting.clear()
  }

  async #serve(ours: Services, { id, name, args }: Message & { kind: 'call' }): Promise<void> {
    try {
      const service = ours[name] as ((...args: readonly unknown[]) => unknown) | undefined
      if (service === undefined) throw new Error(`there is no service ${name}`)
      this.#post({ kind: 'done', id, value: await service(...args) })
    } catch (error) {
      this.#post({ kind: 'failed', id, error: packError(error) })
    }
  }

  #settle(message: Message & { kind: 'done' | 'failed' }): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'done') waiting?.resolve(message.value)
    else waiting?.reject(unpackError(message.error))
  }

  #post(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
    this.#port.postMessage(message)
  }
}
