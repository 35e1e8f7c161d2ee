import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type {
  CompletedPart,
  HeadObjectCommandOutput,
  ListMultipartUploadsCommandInput,
  ListMultipartUploadsCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3Place } from '../../config/s3-place.ts'
import type { ByteRange } from '../storage.ts'
import { ByteBudget } from './byte-budget.ts'
import { S3Fault, s3Fault } from './fault.ts'
import { loadSdk, makeClient } from './sdk.ts'
import type { Sdk } from './sdk.ts'
import { S3Stream } from './stream.ts'
import type { OpenedObject } from './stream.ts'

export interface ObjectHead {
  readonly sizeBytes: number
  /** Differs if the object was replaced, also by the same bytes. */
  readonly version: string
}

export interface ListedObject {
  /** Without the prefix of the place. */
  readonly name: string
  readonly sizeBytes: number
}

/** Larger files are sent in parts of this size, some of them at the same time. */
const PART_BYTES = 8 * 1024 * 1024
const PARALLEL_PARTS = 3
/** The maximum number of parts of an object (docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). */
const MAX_PARTS = 10_000
/** The maximum number of bytes that all uploads of this thread hold in memory. */
const BUDGET_BYTES = 96 * 1024 * 1024
/** How long the answer to a request without a body may take to begin. */
const SHORT_MS = 15_000
/** How long an earlier check of the bucket counts. A backup asks for many objects that are absent. */
const HEAD_CHECK_MS = 1_000
/** How long a presigned URL is valid. Its receiver uses it at once. */
const SIGNED_SECONDS = 300

/**
 * The objects below a prefix of a bucket. Uses only what every service supports: no conditions, no checksums
 * of the service, no order of lists. All methods reject with {@link S3Fault}.
 */
export class S3Objects {
  readonly #place: S3Place
  /** When the last check succeeded, by `performance.now`. */
  #workedAt = -Infinity
  readonly #budget = new ByteBudget(BUDGET_BYTES)
  #opened: Promise<{ sdk: Sdk; client: S3Client }> | undefined

  /** Loads nothing; the first operation does. */
  constructor(place: S3Place) {
    this.#place = place
  }

  /**
   * Sends a local file, in parts if it is large, and then asks for the size of the object. When this
   * resolves, the object is durable. Readers see the previous object, the new one, or none.
   */
  async put(path: string, name: string): Promise<void> {
    const { size } = await stat(path)
    const partBytes = Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS))
    const heldBytes = Math.min(size, PARALLEL_PARTS * partBytes, BUDGET_BYTES)
    await this.#budget.with(heldBytes, async () =>
      size <= PART_BYTES
        ? this.#putWhole(await readFile(path), name)
        : this.#putInParts(path, name, { size, partBytes }),
    )
    await this.#expectStored(name, size)
  }

  /** Sends a small object from memory, like {@link put}. */
  async putBytes(bytes: Uint8Array, name: string): Promise<void> {
    await this.#budget.with(bytes.length, () => this.#putWhole(bytes, name))
    await this.#expectStored(name, bytes.length)
  }

  async #expectStored(name: string, size: number): Promise<void> {
    const { sizeBytes } = await this.head(name)
    if (sizeBytes !== size) throw new S3Fault('away', `it stored ${sizeBytes} bytes instead of ${size}`)
  }

  async #putWhole(Body: Uint8Array, name: string): Promise<void> {
    await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.PutObjectCommand({ ...this.#key(name), Body, ...describe() })),
    )
  }

  /** Sends parts of a file, several at a time, from as many buffers. */
  async #putInParts(
    path: string,
    name: string,
    { size, partBytes }: { size: number; partBytes: number },
  ): Promise<void> {
    const key = this.#key(name)
    const { UploadId } = await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.CreateMultipartUploadCommand({ ...key, ...describe() }), {
        requestTimeout: SHORT_MS,
      }),
    )
    const upload = { ...key, UploadId }
    const file = await open(path)
    try {
      const Parts: CompletedPart[] = Array.from({ length: Math.ceil(size / partBytes) }, (_, index) => ({
        PartNumber: index + 1,
      }))
      const waiting = Parts.values()
      let hasFailed = false
      const sendParts = async () => {
        const buffer = Buffer.allocUnsafeSlow(partBytes)
        for (const part of waiting) {
          if (hasFailed) return
          const { PartNumber = 0 } = part
          const start = (PartNumber - 1) * partBytes
          const Body = buffer.subarray(0, Math.min(partBytes, size - start))
          await readFully(file, Body, start)
          const { ETag } = await this.#send(({ sdk, client }) =>
            client.send(new sdk.client.UploadPartCommand({ ...upload, PartNumber, Body })),
          )
          part.ETag = ETag
        }
      }
      const sending = Array.from({ length: PARALLEL_PARTS }, () =>
        sendParts().catch((error: unknown) => {
          hasFailed = true
          throw error
        }),
      )
      await Promise.allSettled(sending) // no part may be on its way when the upload is aborted
      await Promise.all(sending)
      await this.#send(({ sdk, client }) =>
        client.send(new sdk.client.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })),
      )
    } catch (error) {
      await this.#send(({ sdk, client }) =>
        client.send(new sdk.client.AbortMultipartUploadCommand(upload), { requestTimeout: SHORT_MS }),
      ).catch(() => undefined) // `abortUploads` does it later
      throw error
    } finally {
      await file.close()
    }
  }

  /** Opens an object, or a range of it. */
  async get(name: string, range?: ByteRange): Promise<OpenedObject> {
    const input = { ...this.#key(name), ...(range && { Range: `bytes=${range.start}-${range.end}` }) }
    const {
      Body,
      ContentLength,
      ContentRange,
      ETag = '',
    } = await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.GetObjectCommand(input), { requestTimeout: SHORT_MS }),
    )
    const body = Body as Readable
    const total =
      range === undefined ? ContentLength : Number(/^bytes \d+-\d+\/(\d+)$/.exec(ContentRange ?? '')?.[1])
    if (total !== undefined && !Number.isNaN(total)) return { body, sizeBytes: total, tag: ETag }
    body.destroy()
    throw new S3Fault('away', range === undefined ? 'it sends no size' : 'it does not send ranges')
  }

  /** Copies an object to a new file. Resolves with `false` if there is none. */
  async download(name: string, path: string): Promise<boolean> {
    const object = await this.get(name).catch((error: unknown) => {
      if (error instanceof S3Fault && error.kind === 'absent') return undefined
      throw error
    })
    if (object === undefined) return false
    const end = object.sizeBytes - 1
    const reopen = (start: number) => this.get(name, { start, end })
    const stream = new S3Stream({ checksum: name, start: 0, end, object, reopen })
    await pipeline(stream, createWriteStream(path))
    return true
  }

  async head(name: string): Promise<ObjectHead> {
    const found = await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.HeadObjectCommand(this.#key(name)), { requestTimeout: SHORT_MS }),
    ).catch(async (error: unknown) => {
      // The answer to HEAD has no body, so it does not say whether the object is missing or the bucket.
      if (error instanceof S3Fault && error.kind === 'absent') await this.check(HEAD_CHECK_MS)
      throw error
    })
    return { sizeBytes: found.ContentLength ?? 0, version: versionOf(found) }
  }

  /** Removes an object. Resolves if there is none. */
  async delete(name: string): Promise<void> {
    await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.DeleteObjectCommand(this.#key(name)), { requestTimeout: SHORT_MS }),
    )
  }

  /** Lists the objects whose names begin with `start`, in pages and in no order. */
  async *list(start = ''): AsyncGenerator<readonly ListedObject[]> {
    const { bucket, prefix } = this.#place
    let token: string | undefined
    do {
      const input = {
        Bucket: bucket,
        Prefix: prefix + start,
        ...(token !== undefined && { ContinuationToken: token }),
      }
      const page = await this.#send(({ sdk, client }) =>
        client.send(new sdk.client.ListObjectsV2Command(input), { requestTimeout: SHORT_MS }),
      )
      yield (page.Contents ?? []).map(({ Key = '', Size = 0 }) => ({
        name: Key.slice(prefix.length),
        sizeBytes: Size,
      }))
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  /** Aborts uploads in parts that began before `before`, in epoch milliseconds. Returns their number. */
  async abortUploads(before: number): Promise<number> {
    const { bucket, prefix } = this.#place
    let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
    let aborted = 0
    while (markers !== undefined) {
      const input: ListMultipartUploadsCommandInput = { Bucket: bucket, Prefix: prefix, ...markers }
      const page: ListMultipartUploadsCommandOutput = await this.#send(({ sdk, client }) =>
        client.send(new sdk.client.ListMultipartUploadsCommand(input)),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Initiated === undefined || Initiated.getTime() >= before) continue
        const upload = { Bucket: bucket, Key, UploadId }
        await this.#send(({ sdk, client }) => client.send(new sdk.client.AbortMultipartUploadCommand(upload)))
        aborted += 1
      }
      const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
      markers =
        page.IsTruncated === true && KeyMarker !== undefined
          ? { KeyMarker, ...(UploadIdMarker !== undefined && { UploadIdMarker }) }
          : undefined
    }
    return aborted
  }

  /**
   * Returns the path and the query of a URL at which anybody can read the object for {@link SIGNED_SECONDS}.
   */
  async signedPath(name: string): Promise<string> {
    const url = await this.#send(({ sdk, client }) =>
      sdk.presigner.getSignedUrl(client, new sdk.client.GetObjectCommand(this.#key(name)), {
        expiresIn: SIGNED_SECONDS,
      }),
    )
    const { pathname, search } = new URL(url)
    return `${pathname}${search}`
  }

  /**
   * Resolves if the bucket exists and its objects can be listed. A success of the last `maxAgeMs` counts,
   * unless something failed since.
   */
  async check(maxAgeMs: number): Promise<void> {
    if (performance.now() - this.#workedAt < maxAgeMs) return
    const { bucket, prefix } = this.#place
    await this.#send(({ sdk, client }) =>
      client.send(new sdk.client.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }), {
        requestTimeout: SHORT_MS,
      }),
    )
    this.#workedAt = performance.now()
  }

  /** Returns the URL of an object, for messages to operators. */
  placeOf(name: string): string {
    const { bucket, prefix } = this.#place
    return `s3://${bucket}/${prefix}${name}`
  }

  #key(name: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.#place
    return { Bucket: bucket, Key: `${prefix}${name}` }
  }

  async #send<T>(act: (opened: { sdk: Sdk; client: S3Client }) => Promise<T>): Promise<T> {
    this.#opened ??= this.#open()
    const opened = await this.#opened
    try {
      return await act(opened)
    } catch (error) {
      const fault = s3Fault(error)
      if (fault instanceof S3Fault && fault.kind !== 'absent') this.#workedAt = -Infinity
      throw fault
    }
  }

  async #open(): Promise<{ sdk: Sdk; client: S3Client }> {
    const sdk = await loadSdk()
    return { sdk, client: makeClient(sdk, this.#place) }
  }
}

/** Fills a buffer with the bytes of a file at `start`. Throws if the file ends before. */
async function readFully(file: FileHandle, into: Buffer, start: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, start + done)
    if (bytesRead === 0) throw new Error(`a file became shorter while it was sent, at byte ${start + done}`)
    done += bytesRead
  }
}

/**
 * Returns the metadata of a new object. An identifier tells it from an object that it replaces, whose entity
 * tag and time may be the same.
 */
function describe(): { ContentType: string; Metadata: Record<string, string> } {
  return { ContentType: 'application/octet-stream', Metadata: { put: randomUUID() } }
}

function versionOf({ ETag, LastModified, ContentLength, Metadata }: HeadObjectCommandOutput): string {
  return [ETag, LastModified?.getTime(), ContentLength, Metadata?.['put']].join(':')
}
