import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runCommand } from './command.ts'
import type { CommandOptions, CommandResult } from './command.ts'

export interface TestProject {
  readonly folder: string
  /** Writes files, by their paths below the folder. */
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>
  /** Runs `hart-depot pipeline` in the folder. */
  readonly pipeline: (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>
}

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

/** Creates the folder of a project. Commands find only `env` and the PATH of the tests in their environment. */
export async function makeProject(
  t: Teardown,
  files: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<TestProject> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-project-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { PATH = '' } = process.env
  const usual = { PATH, HOME: folder, npm_package_name: 'hart-depot', INIT_CWD: folder, ...env }
  const project: TestProject = {
    folder,
    write: async (more) => {
      for (const [path, text] of Object.entries(more)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
    },
    pipeline: async (args, options = {}) =>
      runCommand(['pipeline', ...args], { ...options, env: { ...usual, ...options.env } }),
  }
  await project.write(files)
  return project
}
