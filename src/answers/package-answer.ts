import type { Target } from '../package/target.ts'
import { originOf } from '../package/ident.ts'

/** The measured memory of an answer with one response, without the body: mostly the objects of its fields. */
const OVERHEAD_BYTES = 2_560

/**
 * The JSON body that describes one release, with what its headers need. It also caches whole responses, for
 * example the head and body that `latest` of one view sends.
 */
export class PackageAnswer {
  readonly ident: string
  readonly origin: string
  readonly checksum: string
  readonly target: Target
  /** Whether the response is public. Shared caches must not keep other responses. */
  readonly isPublic: boolean
  /** The names of the views that contain the release. */
  readonly views: readonly string[]
  #body: Buffer
  readonly #responses = new Map<string, Buffer>()
  #isBodyShared = false
  #bytes: number
  #onGrowth: (bytes: number) => void = () => undefined

  constructor(
    release: { ident: string; checksum: string; target: Target; isPublic: boolean; views: readonly string[] },
    body: Buffer,
  ) {
    this.ident = release.ident
    this.origin = originOf(release.ident)
    this.checksum = release.checksum
    this.target = release.target
    this.isPublic = release.isPublic
    this.views = release.views
    this.#body = body
    this.#bytes = body.length + OVERHEAD_BYTES
  }

  get body(): Buffer {
    return this.#body
  }

  /** The approximate memory of the answer and its responses. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Returns the response for `key`: the head alone, or the head and the body. The first call with a key makes
   * it, so a key must stand for one `part` and one `head`.
   */
  response(key: string, part: 'whole' | 'head', head: () => Buffer): Buffer {
    const known = this.#responses.get(key)
    if (known !== undefined) return known
    const made = part === 'head' ? head() : Buffer.concat([head(), this.#body])
    let growth = made.length
    if (part === 'whole' && !this.#isBodyShared) {
      // The body becomes a part of the first whole response, so that memory does not hold it twice for one
      // view.
      growth -= this.#body.length
      this.#body = made.subarray(made.length - this.#body.length)
      this.#isBodyShared = true
    }
    this.#responses.set(key, made)
    this.#bytes += growth
    this.#onGrowth(growth)
    return made
  }

  /** Sets the only listener, which is called with the number of bytes that each new response adds. */
  setGrowthListener(onGrowth: (bytes: number) => void): void {
    this.#onGrowth = onGrowth
  }
}
