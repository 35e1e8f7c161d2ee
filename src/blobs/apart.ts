import { realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { Config } from '../config/config.ts'
import { parseS3Url } from '../config/s3-place.ts'

/**
 * Says why backups must not be in a place: they would be lost together with the depot, or share the files of
 * packages with it, which `--keep` removes. Returns `undefined` if nothing speaks against it.
 */
export async function overlapOf(
  place: string,
  { dataFolder, blobFolder, blobBucket }: Pick<Config, 'dataFolder' | 'blobFolder' | 'blobBucket'>,
): Promise<string | undefined> {
  const object = parseS3Url(place)
  if (object !== undefined) {
    const shares =
      blobBucket?.bucket === object.bucket &&
      (object.prefix.startsWith(blobBucket.prefix) || blobBucket.prefix.startsWith(`${object.prefix}blobs/`))
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
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Follows symbolic links in a path, whose end may not exist yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (dirname(path) === path) throw error
    return join(await realPathOf(dirname(path)), basename(path))
  }
}
