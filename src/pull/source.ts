import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { DepotError } from '../errors.ts'
import { LARGEST_LOCKFILE_BYTES } from '../lockfiles/lockfile.ts'
import type { Lockfile, LockfileFilter } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { fetchHart } from '../remote/fetch-hart.ts'
import type { KeyOf, Wanted } from '../remote/fetch-hart.ts'
import { meantView } from '../remote/destination.ts'
import { RemoteError, path } from '../remote/remote-depot.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

/** A source of a lockfile and its packages. Everything that it returns must be verified before use. */
export interface PullSource {
  /** For people. */
  readonly place: string
  /** Where a lockfile of it is from, for the ledger. */
  originOf(lockfile: SignedLockfile): string
  /** Whether it is there at all. */
  answers(): Promise<boolean>
  readLockfile(): Promise<string>
  /** The key file of the depot that says it signed the lockfile: for people to compare, never to trust. */
  readKey(keyId: string): Promise<string | undefined>
  /** Hands on a package, as a file that is verified, and that only stays while it is used. Throws as {@link fetchHart}. */
  withHart<T>(wanted: Wanted, keyOf: KeyOf, use: (file: string) => Promise<T>): Promise<T>
}

/** What is asked of a depot. */
export interface ViewRequest {
  readonly view: string
  /** A revision or a time; as the view is now, when absent. */
  readonly at: string | undefined
  readonly filter: LockfileFilter
}

/** A depot that is reached over HTTP. */
export class DepotSource implements PullSource {
  readonly place: string
  readonly #depot: RemoteDepot
  readonly #asked: ViewRequest
  readonly #folder: string

  /** In `folder`, packages wait on their way: as many as are used at once. */
  constructor(depot: RemoteDepot, asked: ViewRequest, folder: string) {
    this.place = depot.url.replace(/\/v1$/, '')
    this.#depot = depot
    this.#asked = asked
    this.#folder = folder
  }

  originOf(): string {
    return this.place
  }

  answers(): Promise<boolean> {
    return this.#depot.answers()
  }

  async readLockfile(): Promise<string> {
    const { view, at, filter } = this.#asked
    const query = new URLSearchParams({ ...filter, ...(at !== undefined && { at }) }).toString()
    try {
      return await this.#depot.download(
        `${path`/api/v1/views/${view}/lockfile`}${query === '' ? '' : `?${query}`}`,
        boundedText,
      )
    } catch (error) {
      if (!(error instanceof RemoteError) || error.failure !== 'refused') throw error
      throw new RemoteError('refused', `${error.message}${await meantView(this.#depot, view)}`, {
        cause: error,
      })
    }
  }

  readKey(keyId: string): Promise<string | undefined> {
    return this.#depot.getText(path`/api/v1/depot/keys/${keyId}`)
  }

  async withHart<T>(wanted: Wanted, keyOf: KeyOf, use: (file: string) => Promise<T>): Promise<T> {
    const file = join(this.#folder, randomUUID())
    try {
      await fetchHart(this.#depot, wanted, file, keyOf)
      return await use(file)
    } finally {
      await rm(file, { force: true })
    }
  }

  /**
   * Makes sure that a lockfile, however well it is signed, is the one that was asked for: another view's, or one of another day, must not
   * be handed out in its place. Throws `conflict`.
   */
  expectRequested({ view, revision, filter }: Lockfile): void {
    const asked = this.#asked
    const isRevision = /^\d+$/.test(asked.at ?? '')
    const differs =
      view !== asked.view ||
      (isRevision && revision !== Number(asked.at)) ||
      (['origin', 'name', 'target'] as const).some((part) => filter[part] !== asked.filter[part])
    if (differs)
      throw new DepotError(
        'conflict',
        `${this.place} was asked for ${asked.view}${isRevision ? `@${asked.at}` : ''} and answers with another lockfile, that of ${view}@${revision}`,
      )
  }
}

async function boundedText(body: Readable): Promise<string> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    sizeBytes += piece.length
    if (sizeBytes > LARGEST_LOCKFILE_BYTES)
      throw new DepotError(
        'lockfile_malformed',
        `not a lockfile: it has more than ${LARGEST_LOCKFILE_BYTES} bytes`,
      )
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
