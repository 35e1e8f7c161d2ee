import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { DepotError } from '../errors.ts'

/**
 * A release that is being received from upstream, for any thread: its file in the spool, and a cell that all
 * threads share. The cell has the number of bytes in the file, or {@link STORED} or {@link FAILED} at the
 * end.
 */
export interface Arriving {
  readonly path: string
  readonly sizeBytes: number
  readonly checksum: string
  readonly isPublic: boolean
  readonly cell: SharedArrayBuffer
}

const STORED = -1n
const FAILED = -2n
/** The bytes at the end of the file that are passed on only when the whole file was verified and stored. */
const WITHHELD_BYTES = 64 * 1024
const PIECE_BYTES = 256 * 1024

/** The progress of one release, as the thread that receives it reports it. */
export class Arrival {
  readonly #cell = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
  readonly #begun = Promise.withResolvers<Arriving | undefined>()

  /**
   * Resolves when bytes can be passed on, or with `undefined` when the release is stored before that. Stays
   * pending if the release fails before that.
   */
  get begun(): Promise<Arriving | undefined> {
    return this.#begun.promise
  }

  /** Reports that the first `bytes` bytes of the release are in the file. */
  advance(file: Omit<Arriving, 'cell'>, bytes: number): void {
    report(this.#cell, BigInt(bytes))
    this.#begun.resolve({ ...file, cell: this.#cell })
  }

  /** Reports the outcome. The caller calls this once, after the last `advance`. */
  end(outcome: 'stored' | 'failed'): void {
    report(this.#cell, outcome === 'stored' ? STORED : FAILED)
    if (outcome === 'stored') this.#begun.resolve(undefined)
  }
}

/**
 * Opens a release that is arriving. The stream ends when the release is stored, and fails before its last
 * bytes if the release is refused. The caller reads it to its end or destroys it. Returns `undefined` if the
 * file is no longer in the spool; see {@link whenStored}.
 */
export async function openArriving(arriving: Arriving): Promise<Readable | undefined> {
  let file: FileHandle
  try {
    file = await open(arriving.path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  return Readable.from(readArriving(file, arriving), { objectMode: false })
}

/**
 * Yields the bytes of an open file as soon as they may be passed on, and closes the file at the end. Others
 * may move or remove the file meanwhile; an open file stays readable.
 */
async function* readArriving(file: FileHandle, { sizeBytes, cell }: Arriving): AsyncGenerator<Buffer> {
  try {
    for (let offset = 0; offset < sizeBytes;) {
      const readable = await readableBytes({ sizeBytes, cell }, offset)
      const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, readable - offset))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      if (bytesRead === 0) throw new Error(`the file of a release ends after ${offset} bytes`)
      offset += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** Waits until more than `offset` bytes may be passed on, and returns how many. */
async function readableBytes(
  { sizeBytes, cell }: Pick<Arriving, 'sizeBytes' | 'cell'>,
  offset: number,
): Promise<number> {
  for (;;) {
    const value = Atomics.load(new BigInt64Array(cell), 0)
    if (value === STORED) return sizeBytes
    if (value === FAILED) throw new ArrivalFailed()
    const bytes = Math.min(Number(value), sizeBytes - WITHHELD_BYTES)
    if (bytes > offset) return bytes
    await Atomics.waitAsync(new BigInt64Array(cell), 0, value).value
  }
}

/**
 * The releases that another thread is receiving. If that thread dies, it cannot report an outcome, and
 * without this list the readers of its releases would wait for ever.
 */
export class Arrivals {
  readonly #cells = new Set<SharedArrayBuffer>()

  add({ cell }: Arriving): void {
    for (const known of this.#cells) if (isOver(known)) this.#cells.delete(known)
    this.#cells.add(cell)
  }

  /** Reports that all releases that have not arrived have failed. The thread must have ended. */
  fail(): void {
    for (const cell of this.#cells) if (!isOver(cell)) report(cell, FAILED)
    this.#cells.clear()
  }
}

function isOver(cell: SharedArrayBuffer): boolean {
  return [STORED, FAILED].includes(Atomics.load(new BigInt64Array(cell), 0))
}

function report(cell: SharedArrayBuffer, value: bigint): void {
  const progress = new BigInt64Array(cell)
  Atomics.store(progress, 0, value)
  Atomics.notify(progress, 0)
}

/** Waits until the release is stored. Throws `upstream_failed` if it is refused. */
export async function whenStored(arriving: Arriving): Promise<void> {
  try {
    await readableBytes(arriving, arriving.sizeBytes - 1)
  } catch (error) {
    if (!(error instanceof ArrivalFailed)) throw error
    throw new DepotError('upstream_failed', `${error.message}: the log of the depot says why`, {
      cause: error,
    })
  }
}

/** Thrown if a release was refused after a part of it had been passed on. The depot has logged why. */
export class ArrivalFailed extends Error {
  readonly code = 'ARRIVAL_FAILED'

  constructor() {
    super('the release was refused after a part of it had arrived')
    this.name = 'ArrivalFailed'
  }
}
