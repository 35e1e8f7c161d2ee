import { opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A file in the blob folder. */
export interface StoredFile {
  readonly path: string
  /** The checksum in its name; `undefined` if the name is not a checksum. */
  readonly checksum: string | undefined
}

const FILES_AT_A_TIME = 500
const FOLDER = /^[0-9a-f]{2}$/
const NAME = /^[0-9a-f]{64}$/

/** Lists the files of a store in batches, without the spool. A missing folder has no files. Files may appear and vanish meanwhile. */
export async function* listFiles(folder: string): AsyncGenerator<StoredFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? [] : Promise.reject(error),
  )
  const folders = names.filter((name) => FOLDER.test(name)).toSorted()
  for (const prefix of folders) {
    let files: StoredFile[] = []
    for await (const { name } of await opendir(join(folder, prefix))) {
      files.push({
        path: join(folder, prefix, name),
        checksum: NAME.test(name) && name.startsWith(prefix) ? name : undefined,
      })
      if (files.length < FILES_AT_A_TIME) continue
      yield files
      files = []
    }
    if (files.length > 0) yield files
  }
}
