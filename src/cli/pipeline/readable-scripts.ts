import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Script } from './scripts.ts'
import { fillTemplate } from './templates.ts'

/** A script that a tool can read: the file itself, or a copy without tags. */
export interface Readable {
  readonly script: Script
  /** The folder to which its path is relative. */
  readonly folder: string
  readonly hasTags: boolean
}

/**
 * Calls `use` with scripts that tools can read. Hooks with Handlebars tags are copied, without the tags, into
 * a temporary folder that is removed afterwards. `settings` are files of the project that the tool looks for.
 */
export async function withReadable<Result>(
  folder: string,
  scripts: readonly Script[],
  settings: readonly string[],
  use: (readable: readonly Readable[]) => Promise<Result>,
): Promise<Result> {
  const copies = await mkdtemp(join(tmpdir(), 'hart-depot-scripts-'))
  try {
    for (const name of settings)
      await copyFile(join(folder, name), join(copies, name)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      })
    const readable: Readable[] = []
    for (const script of scripts) {
      const { text, hasTags } =
        script.kind === 'hook' ? fillTemplate(script.text) : { text: script.text, hasTags: false }
      if (hasTags) {
        await mkdir(dirname(join(copies, script.path)), { recursive: true })
        await writeFile(join(copies, script.path), text)
      }
      readable.push({ script, folder: hasTags ? copies : folder, hasTags })
    }
    return await use(readable)
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
}
