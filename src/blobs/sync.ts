import { open } from 'node:fs/promises'

/** Makes a file, or the names in a folder, outlive a power cut. */
export async function sync(path: string): Promise<void> {
  const opened = await open(path, 'r')
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}
