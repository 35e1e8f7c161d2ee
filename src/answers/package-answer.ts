import type { Target } from '../package/target.ts'
import { originOf } from '../package/ident.ts'

/** The measured memory of an answer besides its body: its names and its first form. */
const BESIDE_BODY_BYTES = 2_560

/**
 * The finished body of a package, with its header values and its visibility. It also caches forms of itself, for
 * example head and body as the `latest` of one view sends them.
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
  readonly #forms = new Map<string, Buffer>()
  #isShared = false
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
    this.#bytes = body.length + BESIDE_BODY_BYTES
  }

  get body(): Buffer {
    return this.#body
  }

  /** The approximate memory of the answer and its forms. */
  get bytes(): number {
    return this.#bytes
  }

  /** Returns the form for `key`, made once: the head alone, or the head and the body. */
  form(key: string, part: 'whole' | 'head', head: () => Buffer): Buffer {
    const known = this.#forms.get(key)
    if (known !== undefined) return known
    const made = part === 'head' ? head() : Buffer.concat([head(), this.#body])
    let growth = made.length
    if (part === 'whole' && !this.#isShared) {
      // The body moves into the first form, so that memory holds it once.
      growth -= this.#body.length
      this.#body = made.subarray(made.length - this.#body.length)
      this.#isShared = true
    }
    this.#forms.set(key, made)
    this.#bytes += growth
    this.#onGrowth(growth)
    return made
  }

  /** Calls `onGrowth` with the number of bytes that each new form adds. */
  countGrowth(onGrowth: (bytes: number) => void): void {
    this.#onGrowth = onGrowth
  }
}
