import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { DepotError } from '../errors.ts'
import { MAX_LOCKFILE_BYTES } from '../lockfiles/lockfile.ts'
import type { Lockfile, LockfileFilter } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { fetchHart } from '../remote/fetch-hart.ts'
import type { FindKey, ExpectedHart } from '../remote/fetch-hart.ts'
import { path } from '../remote/resource-path.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

/** A source of a lockfile and its packages. Everything but {@link withHart} returns unverified data. */
export interface PullSource {
  /** The URL or path, for messages. */
  readonly place: string
  /** Describes where a lockfile comes from, for the ledger. */
  provenanceOf(lockfile: SignedLockfile): string
  isReachable(): Promise<boolean>
  /** Returns the text of the lockfile, of at most {@link MAX_LOCKFILE_BYTES}. */
  readLockfile(): Promise<string>
  /** Returns the key file with this id, unverified. People may compare it; nothing may trust it. */
  readKey(keyId: string): Promise<string | undefined>
  /** Calls `use` with a verified file, which may be removed afterwards. Throws like {@link fetchHart}. */
  withHart<T>(expected: ExpectedHart, findKey: FindKey, use: (file: string) => Promise<T>): Promise<T>
}

/** The lockfile to request from a depot. */
export interface ViewRequest {
  readonly view: string
  /** A revision or a time. `undefined` means the present revision. */
  readonly at: string | undefined
  readonly filter: LockfileFilter
}

/** A depot reached over HTTP. */
export class DepotSource implements PullSource {
  readonly place: string
  readonly #depot: RemoteDepot
  readonly #request: ViewRequest
  readonly #folder: string

  /** `folder` is a temporary folder for the packages in use. */
  constructor(depot: RemoteDepot, request: ViewRequest, folder: string) {
    this.place = depot.url.replace(/\/v1$/, '')
    this.#depot = depot
    this.#request = request
    this.#folder = folder
  }

  provenanceOf(): string {
    return this.place
  }

  isReachable(): Promise<boolean> {
    return this.#depot.isReachable()
  }

  async readLockfile(): Promise<string> {
    const { view, at, filter } = this.#request
    const query = new URLSearchParams({ ...filter, ...(at !== undefined && { at }) }).toString()
    return this.#depot.download(
      `${path`/api/v1/views/${view}/lockfile`}${query === '' ? '' : `?${query}`}`,
      readLockfileText,
    )
  }

  readKey(keyId: string): Promise<string | undefined> {
    return this.#depot.getText(path`/api/v1/depot/keys/${keyId}`)
  }

  async withHart<T>(expected: ExpectedHart, findKey: FindKey, use: (file: string) => Promise<T>): Promise<T> {
    const file = join(this.#folder, randomUUID())
    try {
      await fetchHart(this.#depot, expected, file, findKey)
      return await use(file)
    } finally {
      await rm(file, { force: true })
    }
  }

  /**
   * Checks that a lockfile is of the requested view, revision and filter. A signature alone does not show
   * that: the source could answer with an old lockfile. Throws `conflict`.
   */
  expectRequested({ view, revision, filter }: Lockfile): void {
    const request = this.#request
    const isRevision = /^\d+$/.test(request.at ?? '')
    const differs =
      view !== request.view ||
      (isRevision && revision !== Number(request.at)) ||
      (['origin', 'name', 'target'] as const).some((part) => filter[part] !== request.filter[part])
    if (differs)
      throw new DepotError(
        'conflict',
        `${this.place} answered a request for ${request.view}${isRevision ? `@${request.at}` : ''} with the lockfile of ${view}@${revision}`,
      )
  }
}

async function readLockfileText(body: Readable): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_LOCKFILE_BYTES)
      throw new DepotError(
        'lockfile_malformed',
        `not a lockfile: it has more than ${MAX_LOCKFILE_BYTES} bytes`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
