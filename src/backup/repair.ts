import { pipeline } from 'node:stream/promises'
import { listReleasesOf } from '../blobs/blob-store.ts'
import type { BlobRef } from '../blobs/storage.ts'
import type { Db } from '../database/database.ts'
import { giveToOwner } from '../database/make-folder.ts'
import { Blake2b } from '../hart/blake2b.ts'
import type { HashThreads } from '../hart/hash-threads.ts'
import { RemoteError } from '../remote/remote-error.ts'
import { path } from '../remote/resource-path.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import type { Backups } from './backups.ts'
import { copyBlob } from './copy-blob.ts'
import type { BlobTarget } from './copy-blob.ts'

/**
 * Fetches the bytes of a damaged blob, verifies their checksum, and stores them in place of the damaged ones.
 * Returns `undefined`, or the reason why the source does not have them. Rejects with the errors of the
 * target, and if the source cannot be reached.
 */
export type Repair = (blob: BlobRef) => Promise<string | undefined>

/** Returns a repair that takes the bytes from the backups in a folder. */
export function repairFromBackups(folder: Backups, target: BlobTarget, hashes: HashThreads): Repair {
  return async (blob) => {
    const { damage } = await copyBlob(blob, folder.blobs.storage, target, { hashes })
    if (damage === undefined) return undefined
    return damage === 'missing' ? 'no backup has it' : `it is damaged in the backups, too: ${damage}`
  }
}

/** Returns a repair that downloads a release with the same name and checksum from another depot. */
export function repairFromDepot(source: RemoteDepot, db: Db, target: BlobTarget): Repair {
  return async (blob) => {
    let why = 'no release needs it'
    for (const { ident, target: platform } of await listReleasesOf(db, blob.checksum)) {
      const resource = path`depot/pkgs/${ident}/download?target=${platform}`
      const refusal = await download(source, resource, blob, target)
      if (refusal === undefined) return undefined
      why = refusal
    }
    return why
  }
}

/** Downloads a package and stores it. Returns the reason if the source refuses it or has other bytes. */
async function download(
  source: RemoteDepot,
  resource: string,
  { checksum, sizeBytes }: BlobRef,
  { spool, storage }: BlobTarget,
): Promise<string | undefined> {
  const file = spool.newFile()
  try {
    const received = await source.download(resource, async (body) => {
      await spool.discard(file) // an earlier attempt may have left a part
      await using handle = await file.create()
      const hash = new Blake2b()
      let bytes = 0
      await pipeline(body, async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const chunk of chunks) {
          bytes += chunk.length
          if (bytes > sizeBytes) return
          hash.update(chunk)
          await handle.writeFile(chunk)
        }
      })
      return bytes === sizeBytes ? hash.digest() : undefined
    })
    if (received !== checksum) return 'the source has other bytes under this name'
    giveToOwner(file.path)
    await storage.put(file.path, checksum)
    return undefined
  } catch (error) {
    if (error instanceof RemoteError && error.failure === 'refused') return error.message
    throw error
  } finally {
    await spool.discard(file)
  }
}
