import type { Target } from '../package/target.ts'

/** What the rest of an answer, its names and its first form take, measured. */
const BESIDE_BODY_BYTES = 2_560

/**
 * The finished body of a package, with what its headers need and who may have it. It can hold forms of itself, such as its bytes with
 * their head as one view's `latest` sends them; they go when it goes.
 */
export class PackageAnswer {
  readonly ident: string
  readonly origin: string
  readonly checksum: string
  readonly target: Target
  /** Whether everyone may see it: what is not for everyone must not be kept by caches. */
  readonly isPublic: boolean
  /** The names of the views it is in. */
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
    this.origin = release.ident.split('/', 1)[0] ?? ''
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

  /** What it takes of memory, about, with its forms. */
  get bytes(): number {
    return this.#bytes
  }

  /** Made once for each key: a head, and the body after it unless it is told to a client that has that. */
  form(key: string, part: 'whole' | 'head', head: () => Buffer): Buffer {
    const known = this.#forms.get(key)
    if (known !== undefined) return known
    const made = part === 'head' ? head() : Buffer.concat([head(), this.#body])
    let growth = made.length
    if (part === 'whole' && !this.#isShared) {
      // The first one is where the body is from then on, so that it is not held twice.
      growth -= this.#body.length
      this.#body = made.subarray(made.length - this.#body.length)
      this.#isShared = true
    }
    this.#forms.set(key, made)
    this.#bytes += growth
    this.#onGrowth(growth)
    return made
  }

  /** Whoever keeps it hears how many bytes each new form adds. */
  countGrowth(onGrowth: (bytes: number) => void): void {
    this.#onGrowth = onGrowth
  }
}
