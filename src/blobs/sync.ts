import { open } from 'node:fs/promises'

/** Makes a file, or the entries of a folder, durable (fsync). Rejects with the system's error. */
export async function sync(path: string): Promise<void> {
  const opened = await open(path, 'r')
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}
