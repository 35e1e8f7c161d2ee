import { realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { Config } from '../config/config.ts'
import { parseS3Url } from '../config/s3-place.ts'

/**
 * Explains why backups must not be at `place`, as the end of a sentence that begins with the place. Returns
 * `undefined` if they may be there. Backups in the data folder would be lost together with the depot. Backups
 * and a depot that share the files of packages lose them when `--keep` removes old backups.
 */
export async function overlapOf(
  place: string,
  { dataFolder, blobFolder, blobBucket }: Pick<Config, 'dataFolder' | 'blobFolder' | 'blobBucket'>,
): Promise<string | undefined> {
  const bucketPlace = parseS3Url(place)
  if (bucketPlace !== undefined) {
    const shares =
      blobBucket?.bucket === bucketPlace.bucket &&
      (bucketPlace.prefix.startsWith(blobBucket.prefix) ||
        blobBucket.prefix.startsWith(`${bucketPlace.prefix}blobs/`))
    return shares ? 'is where the depot has its packages' : undefined
  }
  const folder = await realPathOf(place)
  const data = await realPathOf(dataFolder)
  const blobs = await realPathOf(blobFolder)
  if (folder === data) return 'is the data folder of the depot'
  if (isWithin(folder, data)) return 'is in the data folder of the depot'
  const shares =
    blobBucket === undefined && (isWithin(folder, blobs) || isWithin(blobs, join(folder, 'blobs')))
  return shares ? 'is where the depot has its packages' : undefined
}

function isWithin(path: string, folder: string): boolean {
  const rest = relative(folder, path)
  return rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest)
}

/** Resolves the symbolic links of a path. The last folders of the path may not exist yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (dirname(path) === path) throw error
    return join(await realPathOf(dirname(path)), basename(path))
  }
}
