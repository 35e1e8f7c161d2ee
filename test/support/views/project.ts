import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DepotClient } from '../../../src/client/client.ts'
import type { Change } from '../../../src/client/operations.ts'
import { hartFileName } from '../../../src/package/ident.ts'
import type { Target } from '../../../src/package/target.ts'
import { buildHart } from '../build-hart.ts'
import { runCommand } from '../command.ts'
import type { CommandOptions, CommandResult } from '../command.ts'
import { makeOrigin } from '../origin.ts'
import { ADMIN_TOKEN, furnished } from '../start-depot.ts'

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

/**
 * Creates the folder of a project. Commands find only `env` and the PATH of the tests in their environment.
 */
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

const startWithOrigin = furnished(makeOrigin)

export interface DepotProject extends TestProject {
  readonly url: string
  readonly depot: DepotClient
  /** Writes a package file, and returns its path. `content` is that of a file in it. */
  readonly hart: (ident: string, options?: { target?: Target; content?: string }) => Promise<string>
  /** Finds a change of acme/app. */
  readonly find: (change: string) => Promise<Change>
}

/** Creates the project acme/app, whose change is `c1`, and a depot that has the origin and its key. */
export async function startProject(
  t: Teardown,
  files: Readonly<Record<string, string>> = { '.hart-depot.yml': 'project: acme/app\n' },
  env: Readonly<Record<string, string>> = {},
): Promise<DepotProject> {
  const {
    started: { url },
  } = await startWithOrigin(t)
  const project = await makeProject(t, files, {
    HART_DEPOT_URL: url,
    HART_DEPOT_TOKEN: ADMIN_TOKEN,
    CI_COMMIT_SHA: 'c1',
    ...env,
  })
  const depot = new DepotClient({ url, token: ADMIN_TOKEN })
  return {
    ...project,
    url,
    depot,
    async hart(ident, { target = 'x86_64-linux', content = '' } = {}) {
      const built = buildHart({ ident, target, files: [{ path: 'bin/app', content: Buffer.from(content) }] })
      const file = join(project.folder, `${built.checksum.slice(0, 8)}-${hartFileName(built.ident, target)}`)
      await writeFile(file, built.bytes)
      return file
    },
    async find(change) {
      const { changes } = await depot.listChanges({ project: 'acme/app', change })
      const [found] = changes
      if (found === undefined) throw new Error(`there is no change ${change}`)
      return found
    },
  }
}
