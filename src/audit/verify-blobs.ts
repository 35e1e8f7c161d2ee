import type { Db } from '../database/database.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import { findBlob, listBlobs, listIdentsOf, listKept } from '../blobs/blob-store.ts'
import { findingOf, inspect, verifyBytes } from '../blobs/damage.ts'
import type { Finding } from '../blobs/damage.ts'
import type { BlobRef, BlobStorage, Damage } from '../blobs/storage.ts'

/** The result of {@link verifyBlobs}. */
export interface BlobVerification {
  /** The number and the bytes of the blobs that releases need. */
  readonly blobs: number
  readonly bytes: number
  /** The first {@link MAX_REPORTED}. */
  readonly damaged: readonly DamagedBlob[]
  readonly damagedCount: number
  /** The number of blobs that were damaged and are repaired. They are not among the damaged. */
  readonly repairedCount: number
  /** The first {@link MAX_REPORTED}. */
  readonly orphans: readonly StoredOrphan[]
  readonly orphanCount: number
}

export interface DamagedBlob {
  readonly checksum: string
  readonly damage: Damage
  /** The cause of `unreadable`, for example `EIO`. */
  readonly reason: string | undefined
  /** The releases that need the blob. */
  readonly idents: readonly string[]
}

/** A blob that no release needs, or a file in the store that is not a blob. */
export interface StoredOrphan {
  /** `undefined` if the file is not a blob. */
  readonly checksum: string | undefined
  /** A path or a URL. */
  readonly place: string
  /** `undefined` if it cannot be read. */
  readonly sizeBytes: number | undefined
}

/** The maximum number of damaged blobs and of orphans that are listed. */
export const MAX_REPORTED = 100
const ROWS_IN_A_PAGE = 100

/**
 * Compares rows and blobs in both directions: checks that each needed blob exists and has the right size or,
 * with `hashes`, the right bytes; and lists blobs that no release needs. Checks every difference twice, so
 * that uploads and deletions in progress are not reported; `db` must therefore see the latest commit. Calls
 * `repair` for each damaged blob; it resolves with whether the blob is intact now. Rejects with any error
 * that prevents the check.
 */
export async function verifyBlobs(
  db: Db,
  storage: BlobStorage,
  hashes: HashThreads | undefined,
  repair?: (blob: DamagedBlob & BlobRef) => Promise<boolean>,
): Promise<BlobVerification> {
  const sums = { blobs: 0, bytes: 0 }
  const damaged: DamagedBlob[] = []
  let damagedCount = 0
  let repairedCount = 0
  for await (const { checksum, sizeBytes, damage, reason } of checkBlobs(db, storage, hashes)) {
    sums.blobs += 1
    sums.bytes += sizeBytes
    if (damage === undefined) continue
    const found = { checksum, damage, reason, idents: await listIdentsOf(db, checksum) }
    if ((await repair?.({ ...found, sizeBytes })) === true) {
      repairedCount += 1
      continue
    }
    damagedCount += 1
    if (damaged.length < MAX_REPORTED) damaged.push(found)
  }
  const orphans: StoredOrphan[] = []
  let orphanCount = 0
  for await (const orphan of listOrphans(db, storage)) {
    orphanCount += 1
    if (orphans.length < MAX_REPORTED) orphans.push(orphan)
  }
  return { ...sums, damaged, damagedCount, repairedCount, orphans, orphanCount }
}

/**
 * Checks the blobs that releases need, in the order of their checksums. With `hashes`, reads all their bytes.
 */
export async function* checkBlobs(
  db: Db,
  storage: BlobStorage,
  hashes?: HashThreads,
): AsyncGenerator<BlobRef & Finding> {
  const check = async (blob: BlobRef): Promise<Finding> => {
    const found = await inspect(storage, blob)
    return found.damage !== undefined || hashes === undefined ? found : verifyBytes(storage, blob, { hashes })
  }
  for (
    let page = await listBlobs(db, { after: '', limit: ROWS_IN_A_PAGE }), last = '';
    page.length > 0;
    page = await listBlobs(db, { after: last, limit: ROWS_IN_A_PAGE })
  ) {
    for (const { checksum, sizeBytes } of page) {
      last = checksum
      const blob = { checksum, sizeBytes }
      const first = await check(blob)
      const { damage, reason } = first.damage === undefined ? first : await check(blob)
      if (damage !== undefined && (await findBlob(db, checksum)) === undefined) continue // deleted meanwhile
      yield { ...blob, damage, ...(reason !== undefined && { reason }) }
    }
  }
}

/** Lists the blobs that no release needs, and the files that are not blobs, in no order. */
export async function* listOrphans(db: Db, storage: BlobStorage): AsyncGenerator<StoredOrphan> {
  for await (const { checksums, others } of storage.list()) {
    for (const other of others) yield { checksum: undefined, ...other }
    const needed = new Set(await listKept(db, checksums))
    for (const checksum of checksums) {
      if (needed.has(checksum)) continue
      const sizeBytes = await sizeOf(storage, checksum)
      if (sizeBytes === 'absent' || (await listKept(db, [checksum])).length > 0) continue // removed or needed meanwhile
      yield { checksum, place: storage.placeOf(checksum), sizeBytes }
    }
  }
}

async function sizeOf(storage: BlobStorage, checksum: string): Promise<number | undefined | 'absent'> {
  try {
    return (await storage.head(checksum)).sizeBytes
  } catch (error) {
    return findingOf(error).damage === 'missing' ? 'absent' : undefined
  }
}
