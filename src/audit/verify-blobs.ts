import { stat } from 'node:fs/promises'
import type { Db } from '../database/database.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import { findBlob, listBlobs, listIdentsOf, listNeeded } from '../blobs/blob-store.ts'
import type { StoredBlob } from '../blobs/blob-store.ts'
import { blobPath } from '../blobs/claims.ts'
import { damageOf, look } from '../blobs/damage.ts'
import type { Damage } from '../blobs/damage.ts'
import { listFiles } from '../blobs/list-files.ts'

export interface BlobVerification {
  /** The number and the bytes of the blobs that releases need. */
  readonly blobs: number
  readonly bytes: number
  readonly damaged: readonly DamagedBlob[]
  readonly damagedCount: number
  /** Files that no release needs. */
  readonly orphans: readonly Orphan[]
  readonly orphanCount: number
}

export interface DamagedBlob {
  readonly checksum: string
  readonly damage: Damage
  readonly idents: readonly string[]
}

export interface Orphan {
  readonly path: string
  readonly sizeBytes: number
}

export const MOST_REPORTED = 100
const ROWS_IN_A_PAGE = 100
/** The account id under which verification hashes. */
const NOBODY = 0

/**
 * Compares rows and files in both directions: checks that the file of each needed blob exists and has the right size
 * or, with `hashes`, the right bytes; and lists files that no release needs. Checks every difference twice, so that
 * uploads and deletions in progress are not reported; `db` must therefore see the latest commit. Rejects with any error
 * that prevents the check.
 */
export async function verifyBlobs(
  db: Db,
  folder: string,
  hashes: HashThreads | undefined,
): Promise<BlobVerification> {
  const sums = { blobs: 0, bytes: 0 }
  const damaged: DamagedBlob[] = []
  let damagedCount = 0
  for (
    let page = await listBlobs(db, { after: '', limit: ROWS_IN_A_PAGE }), last = '';
    page.length > 0;
    page = await listBlobs(db, { after: last, limit: ROWS_IN_A_PAGE })
  ) {
    for (const blob of page) {
      last = blob.checksum
      const damage = (await damageIn(folder, blob, hashes)) && (await damageIn(folder, blob, hashes))
      if (damage !== undefined && (await findBlob(db, blob.checksum)) === undefined) continue // deleted meanwhile
      sums.blobs += 1
      sums.bytes += blob.sizeBytes
      if (damage === undefined) continue
      damagedCount += 1
      if (damaged.length < MOST_REPORTED)
        damaged.push({ checksum: blob.checksum, damage, idents: await listIdentsOf(db, blob.checksum) })
    }
  }
  const { orphans, orphanCount } = await findOrphans(db, folder)
  return { ...sums, damaged, damagedCount, orphans, orphanCount }
}

async function damageIn(
  folder: string,
  { checksum, sizeBytes }: StoredBlob,
  hashes: HashThreads | undefined,
): Promise<Damage | undefined> {
  const path = blobPath(folder, checksum)
  const { damage } = await look(path, sizeBytes)
  if (damage !== undefined || hashes === undefined) return damage
  try {
    return (await hashes.begin(path, 0, NOBODY).finish(sizeBytes)) === checksum ? undefined : 'of other bytes'
  } catch (error) {
    return damageOf(error) ?? Promise.reject(error)
  }
}

async function findOrphans(
  db: Db,
  folder: string,
): Promise<Pick<BlobVerification, 'orphans' | 'orphanCount'>> {
  const orphans: Orphan[] = []
  let orphanCount = 0
  for await (const files of listFiles(folder)) {
    const checksums = files.flatMap(({ checksum }) => checksum ?? [])
    const needed = new Set(await listNeeded(db, checksums))
    for (const { path, checksum } of files.filter(
      (file) => file.checksum === undefined || !needed.has(file.checksum),
    )) {
      const found = await stat(path).catch(() => undefined) // removed meanwhile
      if (found === undefined || (checksum !== undefined && (await listNeeded(db, [checksum])).length > 0))
        continue
      orphanCount += 1
      if (orphans.length < MOST_REPORTED) orphans.push({ path, sizeBytes: found.size })
    }
  }
  return { orphans, orphanCount }
}
