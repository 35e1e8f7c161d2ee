import { opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A file where blobs are stored. */
export interface StoredFile {
  readonly path: string
  /** What its name says; `undefined` for a name that no blob has. */
  readonly checksum: string | undefined
}

const FILES_AT_A_TIME = 500
const FOLDER = /^[0-9a-f]{2}$/
const NAME = /^[0-9a-f]{64}$/

/** Lists the files of a store, so many at a time. A folder that is missing has none. Files come and go meanwhile; the spool is left out. */
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
