import { existsSync } from 'node:fs'
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
 * Finds the plans and hooks of a project, in the order of their paths. Throws a UsageError if a folder that
 * the configuration names has no plan.
 */
export async function findScripts(project: Project): Promise<Script[]> {
  const plans = await findPlans(project)
  const folders = new Set<string>()
  for (const plan of plans) {
    const folder = dirname(plan)
    folders.add(join(folder, 'hooks'))
    if (isTarget(basename(folder))) folders.add(join(dirname(folder), 'hooks')) // plans for one target may use them
  }
  const hooks = await Promise.all(
    [...folders].map(async (folder) => filesIn(join(project.folder, folder), folder)),
  )
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

/** Finds the plan files of a project, relative to its folder. */
export async function findPlans({ config, folder }: Project): Promise<string[]> {
  if (config.plans === undefined) return (await search(folder, '', MAX_DEPTH)).toSorted()
  return config.plans.flatMap((given) => {
    const found = PLANS.map((name) => join(given, name)).filter((path) => existsSync(join(folder, path)))
    if (PLANS.includes(basename(given)) && existsSync(join(folder, given))) found.push(given)
    if (found.length === 0) throw new UsageError(`plans: there is no plan.sh and no plan.ps1 in ${given}`)
    return found
  })
}

async function search(root: string, folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const below = entries.filter(
    (entry) =>
      entry.isDirectory() && depth > 0 && !entry.name.startsWith('.') && !SKIPPED_FOLDERS.has(entry.name),
  )
  const plans = entries.filter(({ name }) => PLANS.includes(name)).map(({ name }) => join(folder, name))
  const deeper = await Promise.all(below.map(async ({ name }) => search(root, join(folder, name), depth - 1)))
  return [...plans, ...deeper.flat()]
}

async function filesIn(folder: string, shown: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const files = await Promise.all(
    names.map(async (name) => ((await stat(join(folder, name))).isFile() ? [join(shown, name)] : [])),
  )
  return files.flat()
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
