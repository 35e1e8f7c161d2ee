import type { S3Place } from '../../config/s3-place.ts'
import { sizeFault } from '../file-fault.ts'
import { BlobAbsent, BlobUnreadable } from '../storage.ts'
import type { BlobHead, BlobRef, BlobStorage, BlobStream, ByteRange, ListedPage } from '../storage.ts'
import { S3Fault } from './fault.ts'
import { S3Objects } from './objects.ts'
import { EmptyStream, S3Stream } from './stream.ts'
import type { OpenedObject } from './stream.ts'

const NAME = /^([0-9a-f]{2})\/(\1[0-9a-f]{62})$/
/** Uploads in parts that began earlier were interrupted. Other depots may still be sending younger ones. */
const UPLOAD_MAX_MS = 24 * 60 * 60_000
/** How long a successful check counts. Probes ask often, and each list costs money. */
const CHECK_MS = 10_000

/**
 * Stores each blob as the object `ab/abcdef…` below a prefix of a bucket. The names are those of files in a
 * folder of blobs. Several nodes that share a database may use one prefix.
 */
export class S3Storage implements BlobStorage {
  readonly #objects: S3Objects

  constructor(place: S3Place) {
    this.#objects = new S3Objects(place)
  }

  /**
   * Rejects with `storage_unavailable`, or with `storage_full` if a quota or the disks of the service are
   * full.
   */
  async put(spoolPath: string, checksum: string, bytes?: Uint8Array): Promise<void> {
    const name = nameOf(checksum)
    await (bytes === undefined ? this.#objects.put(spoolPath, name) : this.#objects.putBytes(bytes, name))
  }

  async open(blob: BlobRef, range?: ByteRange): Promise<BlobStream> {
    const { checksum, sizeBytes } = blob
    const { start, end } = range ?? { start: 0, end: sizeBytes - 1 }
    if (end < start) {
      expectSize(blob, (await this.head(checksum)).sizeBytes)
      return new EmptyStream()
    }
    const object = await this.#get(blob, range)
    if (object.sizeBytes !== sizeBytes) {
      object.body.destroy()
      expectSize(blob, object.sizeBytes)
    }
    const reopen = (at: number) => this.#get(blob, { start: at, end })
    return new S3Stream({ checksum, start, end, object, reopen })
  }

  async #get({ checksum, sizeBytes }: BlobRef, range: ByteRange | undefined): Promise<OpenedObject> {
    try {
      return await this.#objects.get(nameOf(checksum), range)
    } catch (error) {
      if (!(error instanceof S3Fault && error.kind === 'out of range')) throw blobFault(checksum, error)
      throw sizeFault(checksum, { found: (await this.head(checksum)).sizeBytes, expected: sizeBytes })
    }
  }

  async head(checksum: string): Promise<BlobHead> {
    try {
      return await this.#objects.head(nameOf(checksum))
    } catch (error) {
      throw blobFault(checksum, error)
    }
  }

  async delete(checksum: string): Promise<void> {
    await this.#objects.delete(nameOf(checksum))
  }

  async *list(): AsyncGenerator<ListedPage> {
    for await (const page of this.#objects.list()) {
      const found = page.map((object) => ({ ...object, checksum: NAME.exec(object.name)?.[2] }))
      yield {
        checksums: found.flatMap(({ checksum }) => checksum ?? []),
        others: found
          .filter(({ checksum }) => checksum === undefined)
          .map(({ name, sizeBytes }) => ({ place: this.#objects.placeOf(name), sizeBytes })),
      }
    }
  }

  async removeRemains(now: number): Promise<void> {
    await this.#objects.abortUploads(now - UPLOAD_MAX_MS)
  }

  placeOf(checksum: string): string {
    return this.#objects.placeOf(nameOf(checksum))
  }

  accelPath(checksum: string): Promise<string> {
    return this.#objects.signedPath(nameOf(checksum))
  }

  /** Rejects with {@link S3Fault}. */
  async check(): Promise<void> {
    await this.#objects.check(CHECK_MS)
  }
}

function nameOf(checksum: string): string {
  return `${checksum.slice(0, 2)}/${checksum}`
}

/** Throws {@link BlobUnreadable} if a blob has another size than its row. */
function expectSize({ checksum, sizeBytes }: BlobRef, found: number): void {
  if (found !== sizeBytes) throw sizeFault(checksum, { found, expected: sizeBytes })
}

/**
 * Converts a fault of S3 to the error of a store. Apart from absence, no fault says that the blob is damaged:
 * missing rights, for example, may return.
 */
function blobFault(checksum: string, error: unknown): unknown {
  if (!(error instanceof S3Fault)) return error
  return error.kind === 'absent'
    ? new BlobAbsent(checksum, { cause: error })
    : new BlobUnreadable(checksum, { damage: undefined, reason: error.reason, cause: error })
}
