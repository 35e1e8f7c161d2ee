import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { isTarget } from '../../package/target.ts'
import { UsageError } from '../exit-codes.ts'
import type { Project } from './config.ts'

export type Language = 'bash' | 'sh' | 'dash' | 'ksh' | 'powershell' | 'other'

/** A plan or a hook of a project. */
export interface Script {
  /** Relative to the project's folder. */
  readonly path: string
  readonly kind: 'plan' | 'hook'
  readonly language: Language
  /** The program that runs it, for messages; for example `python3`. */
  readonly interpreter: string
  readonly text: string
}

/** Reports whether a shell runs the script. */
export function isShell({ language }: Script): boolean {
  return language !== 'powershell' && language !== 'other'
}

const PLANS = ['plan.sh', 'plan.ps1']
/** How many levels of folders below the project's folder are searched. */
const MAX_DEPTH = 8
/** Folders that are not searched, because they hold code of others or results of builds. */
const SKIPPED_FOLDERS = new Set(['node_modules', 'results', 'vendor', 'target', 'dist'])

/**
 * Finds the plans of a project, like {@link findPlans}, and then their hooks in the order of their paths.
 * Throws a UsageError if a folder that the configuration names has no plan.
 */
export async function findScripts(project: Project): Promise<Script[]> {
  const plans = await findPlans(project)
  const folders = new Set<string>()
  for (const plan of plans) {
    const folder = dirname(plan)
    folders.add(join(folder, 'hooks'))
    if (isTarget(basename(folder))) folders.add(join(dirname(folder), 'hooks')) // plans for one target may use them
  }
  const hooks = await Promise.all([...folders].map(async (folder) => filesIn(project.folder, folder)))
  const read = async (path: string, kind: Script['kind']): Promise<Script> => {
    const text = await readFile(join(project.folder, path), 'utf8')
    return { path, kind, text, ...languageOf(path, kind, text) }
  }
  return Promise.all([
    ...plans.map(async (path) => read(path, 'plan')),
    ...hooks
      .flat()
      .toSorted()
      .map(async (path) => read(path, 'hook')),
  ])
}

/**
 * Finds the plan files of a project, relative to its folder: those that the configuration names, in its
 * order, or else all of them by path. Throws a UsageError if a named folder has none.
 */
export async function findPlans({ config, folder }: Project): Promise<string[]> {
  if (config.plans === undefined) return (await search(folder, '', MAX_DEPTH)).toSorted()
  const found = config.plans.map(async (given) => {
    const candidates = PLANS.map((name) => join(given, name))
    if (PLANS.includes(basename(given))) candidates.push(join(given))
    const plans = await filesAmong(folder, candidates)
    if (plans.length === 0) throw new UsageError(`plans: there is no plan.sh and no plan.ps1 in ${given}`)
    return plans
  })
  return [...new Set((await Promise.all(found)).flat())]
}

async function search(root: string, folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const below = entries.filter(
    (entry) =>
      entry.isDirectory() && depth > 0 && !entry.name.startsWith('.') && !SKIPPED_FOLDERS.has(entry.name),
  )
  const named = entries.filter(({ name }) => PLANS.includes(name)).map(({ name }) => join(folder, name))
  const plans = await filesAmong(root, named)
  const deeper = await Promise.all(below.map(async ({ name }) => search(root, join(folder, name), depth - 1)))
  return [...plans, ...deeper.flat()]
}

/** Lists the files in a folder below `root`. A folder that does not exist has none. */
async function filesIn(root: string, folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder)).catch(noneIfAbsent)
  return filesAmong(
    root,
    (names ?? []).map((name) => join(folder, name)),
  )
}

/** Returns the paths below `root` that are files. Links count as what they lead to. */
async function filesAmong(root: string, paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(async (path) => stat(join(root, path)).catch(noneIfAbsent)))
  return paths.filter((_, index) => found[index]?.isFile() === true)
}

/** Returns nothing for a path that does not exist, also for one below a file. Throws other errors. */
function noneIfAbsent(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
}

const SHELLS: Readonly<Record<string, Language>> = {
  bash: 'bash',
  sh: 'sh',
  ash: 'dash',
  dash: 'dash',
  ksh: 'ksh',
  pwsh: 'powershell',
  powershell: 'powershell',
}

/**
 * Returns the language of a script. A hook names its interpreter in its first line; plans are bash or
 * PowerShell.
 */
function languageOf(
  path: string,
  kind: Script['kind'],
  text: string,
): Pick<Script, 'language' | 'interpreter'> {
  if (path.endsWith('.ps1')) return { language: 'powershell', interpreter: 'pwsh' }
  const [first = ''] = text.split('\n', 1)
  if (kind === 'hook' && !first.startsWith('#!') && !['', '.sh'].includes(extname(path)))
    return { language: 'other', interpreter: 'no program' } // a README, for example
  if (kind === 'plan' || !first.startsWith('#!')) return { language: 'bash', interpreter: 'bash' }
  // The path may be a tag: #!{{pkgPathFor "core/bash"}}/bin/bash
  const words = first
    .slice(2)
    .replaceAll(/\{\{.*?\}\}/g, '')
    .trim()
    .split(/\s+/)
  const program =
    words.find((word) => !['env', 'busybox', ''].includes(basename(word)) && !word.startsWith('-')) ?? 'sh'
  const interpreter = basename(program)
  return { language: SHELLS[interpreter] ?? 'other', interpreter }
}
