import { Readable } from 'node:stream'

// The interface of the stores of blobs. Every store must pass test/blobs/contract.ts. `open.ts` chooses the
// store.

/**
 * Stores blobs by checksum, the BLAKE2b-256 of all their bytes in lower-case hex. The depot verifies bytes in
 * a local file before it stores them, and compares checksums when it reads them, so a store need not compute
 * any. It compares only the size when it opens a blob. All threads of a depot use the same store at the same
 * time. `claims.ts` makes sure that no two of them write or delete the same blob at once.
 */
export interface BlobStorage {
  /**
   * Stores the bytes of a local file, and replaces a blob of the same checksum, which may be damaged. Once
   * this resolves, the blob outlives a crash. Until then, readers see the whole previous blob, the whole new
   * one, or none. The store may move the file; the caller removes it otherwise. Rejects with the error of the
   * system or the service. The blob may then exist, but only as a whole.
   *
   * With `bytes`, which should be at most some kilobytes, there is no file at `spoolPath` yet, and none is
   * left there.
   */
  put(spoolPath: string, checksum: string, bytes?: Uint8Array): Promise<void>
  /**
   * Stores many spooled files like {@link put}, and makes them durable together. If it rejects, some of the
   * blobs may exist, each as a whole. May block the calling thread for a short time, so threads that answer
   * requests use `put`. Only stores for which this costs less than many calls of `put` have it.
   */
  putAll?(files: readonly SpooledBlob[]): Promise<void>
  /**
   * Reads a small blob, and blocks the calling thread meanwhile. Throws like {@link open}. Only stores for
   * which this costs less than a stream have it.
   */
  readNow?(blob: BlobRef): Buffer
  /**
   * Opens a blob, or its bytes `start` through `end`. Rejects with {@link BlobAbsent}, or with {@link
   * BlobUnreadable} if the blob has another size or cannot be opened. The caller reads the stream to its end
   * or destroys it. The stream fails with {@link BlobUnreadable} if the blob cannot be read to its end.
   */
  open(blob: BlobRef, range?: ByteRange): Promise<BlobStream>
  /**
   * Returns the size and version of a blob without reading it. Rejects with {@link BlobAbsent} or {@link
   * BlobUnreadable}.
   */
  head(checksum: string): Promise<BlobHead>
  /** Removes a blob. Resolves if there is none. */
  delete(checksum: string): Promise<void>
  /**
   * Lists all blobs, in pages and in no order. A blob that is stored or deleted meanwhile may be listed or
   * not. Rejects with the error of the system or the service, rather than leave anything out.
   */
  list(): AsyncIterable<ListedPage>
  /**
   * Removes what interrupted puts left in the store, once no put can still be using it. `now` is the present
   * time in epoch milliseconds.
   */
  removeRemains(now: number): Promise<void>
  /**
   * Returns the path, and perhaps a query, with which nginx reads a blob below its internal location for
   * packages. Whoever has it may be able to read the blob.
   */
  accelPath(checksum: string): Promise<string>
  /** Returns the path or URL at which an operator finds a blob. For messages to operators only. */
  placeOf(checksum: string): string
  /** Resolves if blobs can be stored now. Otherwise rejects with the error of the system or the service. */
  check(): Promise<void>
  /** Ends the threads of the store. No blob is stored afterwards. Absent if the store has none. */
  close?(): Promise<void>
}

/** The checksum of a blob and the size that the blob should have. */
export interface BlobRef {
  readonly checksum: string
  readonly sizeBytes: number
}

/** A spooled file, and the checksum of its bytes. */
export interface SpooledBlob {
  readonly spoolPath: string
  readonly checksum: string
}

/** A range of bytes. Both ends are included. An empty range has `end` one less than `start`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface BlobHead {
  readonly sizeBytes: number
  /** Changes when the blob is replaced or changed. */
  readonly version: string
}

export interface ListedPage {
  readonly checksums: readonly string[]
  /** Files that are not blobs. The depot never touches them. */
  readonly others: readonly { readonly place: string; readonly sizeBytes: number }[]
}

export abstract class BlobStream extends Readable {
  /** The memory that the stream holds while its client does not read. */
  abstract get heldBytes(): number
}

/** The ways in which a blob can be damaged. */
export type Damage = 'missing' | 'of another size' | 'unreadable' | 'of other bytes'

/** Thrown if the store works but does not have the blob. */
export class BlobAbsent extends Error {
  readonly code = 'BLOB_ABSENT'

  constructor(checksum: string, options?: { cause?: unknown }) {
    super(`there is no blob ${checksum}`, options)
    this.name = 'BlobAbsent'
  }
}

/** Thrown if the store cannot return the bytes of a blob that may exist. */
export class BlobUnreadable extends Error {
  readonly code = 'BLOB_UNREADABLE'
  /**
   * The damage of the blob, or `undefined` if the blob may be intact and a later attempt may succeed: for
   * example after EMFILE, or after a 503 from a service.
   */
  readonly damage: Damage | undefined
  /** The cause in a few words, for operators: for example `EIO`. It names no path. */
  readonly reason: string

  constructor(checksum: string, why: { damage: Damage | undefined; reason: string; cause?: unknown }) {
    super(`blob ${checksum} cannot be read: ${why.reason}`, { cause: why.cause })
    this.name = 'BlobUnreadable'
    this.damage = why.damage
    this.reason = why.reason
  }
}
