import { readdir, readlink } from 'node:fs/promises'

/** Returns how many blobs of a data folder this process has open. */
export async function openBlobs(folder: string): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return links.filter((link) => link.startsWith(`${folder}/blobs/`)).length
}
