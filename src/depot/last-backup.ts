import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { giveToOwner } from '../database/make-folder.ts'

// Backups are made by a process of their own. The depot learns of them from a file in its data folder.

const FILE = 'last-backup'

/**
 * Records the time of a completed backup, in epoch milliseconds. If this process runs as root, the file
 * belongs to the owner of the data folder.
 */
export async function recordBackup({ dataFolder }: Pick<Config, 'dataFolder'>, at: number): Promise<void> {
  const file = join(dataFolder, FILE)
  await writeFile(`${file}.new`, `${new Date(at).toISOString()}\n`, { mode: 0o600 })
  giveToOwner(`${file}.new`)
  await rename(`${file}.new`, file)
}

/** Returns the time of the last completed backup. Without a readable record there is none. */
export async function findLastBackup({
  dataFolder,
}: Pick<Config, 'dataFolder'>): Promise<number | undefined> {
  const text = await readFile(join(dataFolder, FILE), 'utf8').catch(() => '')
  const at = Date.parse(text.trim())
  return Number.isNaN(at) ? undefined : at
}
