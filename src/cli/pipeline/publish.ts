import { existsSync } from 'node:fs'
import { platform } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { RequestRefused } from '../../client/errors.ts'
import type { Change } from '../../client/operations.ts'
import { readPackageFile } from '../../client/package-file.ts'
import { formatIdent, formatPackageName, packageOf } from '../../package/ident.ts'
import { isTarget } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { EXIT, Exit, UsageError } from '../exit-codes.ts'
import { targetOfMachine } from '../follow/machine.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { periodMs } from '../remote/arguments.ts'
import type { Connected } from '../remote/connect.ts'
import { uploadFiles } from '../remote/releases/upload.ts'
import type { Project } from './config.ts'
import { presentReleases } from './environment.ts'
import { LAST_BUILD, readLastBuild } from './last-build.ts'
import { adviceFor, describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { readPlanNames } from './plan-names.ts'
import type { PlanNames } from './plan-names.ts'
import { runCommand, shellWords } from './run-command.ts'

export interface PublishOptions {
  /** Packages that were built, or a last_build.env beside one. */
  readonly artifact?: readonly string[] | undefined
  /** False to publish what results/last_build.env names, without building. */
  readonly build?: boolean | undefined
  /** Adds a release although the change has one of the package for the target. */
  readonly rebuild?: boolean | undefined
  /** The file of the signer's public key. */
  readonly key?: string | undefined
}

/** A package file that was built. */
interface Artifact {
  readonly file: string
  readonly ident: string
  readonly target: Target
}

/** What is to be published: packages that were built, or are to be built. */
export type Source =
  | { readonly kind: 'built'; readonly artifacts: readonly Artifact[] }
  | { readonly kind: 'command'; readonly line: string }
  | { readonly kind: 'plans'; readonly plans: readonly PlanNames[] }

/** Decides what to publish. Throws a UsageError if there is nothing. */
export async function chooseSource(io: Io, project: Project, options: PublishOptions): Promise<Source> {
  const { folder, config } = project
  if (options.artifact !== undefined)
    return { kind: 'built', artifacts: await readArtifacts(options.artifact.map((file) => pathOf(io, file))) }
  const lastBuild = join(folder, LAST_BUILD)
  let lacksHab = false
  if (options.build !== false) {
    if (config.publish.build !== undefined) return { kind: 'command', line: config.publish.build }
    const plans = (await readPlanNames(project, io.env)).filter(({ path }) => isForThisMachine(path))
    if (plans.length > 0 && hasProgram(io, 'hab')) return { kind: 'plans', plans }
    lacksHab = plans.length > 0
  }
  if (existsSync(lastBuild)) return { kind: 'built', artifacts: await readArtifacts([lastBuild]) }
  const why = lacksHab
    ? `hab, which would build the plan, is not installed${adviceFor('hab')}`
    : `${options.build === false ? 'nothing is to be built' : 'no plan is for this machine'}: give packages with --artifact FILE`
  throw new UsageError(`there is nothing to publish: ${folder} has no ${LAST_BUILD}, and ${why}`)
}

/** Returns the targets that a source is published for: before the build, the target of this machine. */
export function targetsOf(source: Source): string[] {
  return source.kind === 'built'
    ? [...new Set(source.artifacts.map(({ target }) => target))].toSorted()
    : [targetOfMachine()]
}

/** Returns the name of the first built package, which names the project if nothing else does. */
export function projectOfSource(source: Source): string | undefined {
  const [first] = source.kind === 'built' ? source.artifacts : []
  return first && packageOf(first.ident)
}

/**
 * Builds what is to be built, uploads the packages and adds them to the change. A package and target that the
 * change has already are neither built nor uploaded, unless `rebuild` is given.
 */
export async function publish(
  context: PhaseContext,
  connected: Connected,
  { change, source, options }: { change: Change; source: Source; options: PublishOptions },
): Promise<Outcome> {
  const built = await buildSource(context, source, options.rebuild === true ? [] : presentReleases(change))
  if ('failure' in built) return { status: 'failed', message: built.failure }
  const { out } = context
  const fresh: Artifact[] = []
  for (const artifact of built.artifacts) {
    const recorded = recordedFor(change, artifact)
    if (recorded === undefined || recorded.release === artifact.ident || options.rebuild === true)
      fresh.push(artifact)
    else
      out.note(
        `The change has ${recorded.release} for ${recorded.target} already, so ${basename(artifact.file)} is not published; --rebuild adds it.`,
      )
  }
  const files = fresh.map(({ file }) => file)
  if (files.length > 0) await uploadFiles(context.io, connected, files, { key: options.key, quiet: true })
  let now = change
  for (const { ident, target } of fresh)
    now = await connected.depot
      .addChangeRelease({
        id: change.id,
        body: { release: ident, target, ...(options.rebuild === true && { rebuild: true }) },
      })
      .catch((error: unknown) => {
        if (!(error instanceof RequestRefused) || error.status !== 409) throw error
        throw new Exit(EXIT.refused, `${ident} was uploaded, but not added to the change: ${error.message}`)
      })
  const releases = presentReleases(now)
  return {
    status: 'passed',
    message: releases.map(({ release, target }) => `${release} (${target})`).join(', '),
    brief: releases.map(({ release }) => release),
    more: { releases },
  }
}

/**
 * Reads the idents and targets of package files. Throws a UsageError if two have the same package and target.
 */
async function readArtifacts(paths: readonly string[]): Promise<Artifact[]> {
  const artifacts = new Map<string, Artifact>()
  for (const path of paths) {
    const file = path.endsWith('.env') ? await readLastBuild(path) : path
    const { ident, target } = await readPackageFile(file)
    const line = `${formatPackageName(ident)} for ${target}`
    const other = artifacts.get(line)
    if (other !== undefined)
      throw new UsageError(
        `${other.file} and ${file} are both ${line}, of which a change has one: give one of them`,
      )
    artifacts.set(line, { file, ident: formatIdent(ident), target })
  }
  return [...artifacts.values()]
}

/** Builds each package once. Returns what failed, or the packages. */
async function buildSource(
  context: PhaseContext,
  source: Source,
  recorded: Change['releases'],
): Promise<{ failure: string } | { artifacts: readonly Artifact[] }> {
  if (source.kind === 'built') return source
  const builds =
    source.kind === 'command' ? [commandBuild(source.line)] : planBuilds(context, source.plans, recorded)
  const artifacts: Artifact[] = []
  for (const { words, shown } of builds) {
    const { io, out, project, signal, env } = context
    out.note(`$ ${shown}`)
    const { timeout } = project.config.publish
    const end = await runCommand(io, {
      words,
      folder: project.folder,
      env,
      signal,
      timeoutMs: timeout === undefined ? undefined : periodMs(timeout, 'publish.timeout'),
    })
    const failure = describeEnd(end, words[0] === 'hab' ? 'hab' : JSON.stringify(shown), project.folder)
    if (failure !== undefined) return { failure }
    artifacts.push(...(await readArtifacts([join(project.folder, LAST_BUILD)])))
  }
  return { artifacts }
}

interface Build {
  readonly words: readonly [string, ...string[]]
  readonly shown: string
}

function commandBuild(line: string): Build {
  return { words: shellWords(line), shown: line }
}

/** Returns the builds of the plans whose packages the change does not have for this machine's target. */
function planBuilds(
  { out }: PhaseContext,
  plans: readonly PlanNames[],
  recorded: Change['releases'],
): Build[] {
  const contexts = new Set<string>()
  for (const { path, origin, name } of plans) {
    const present = recorded.find(
      ({ release, target }) => target === targetOfMachine() && packageOf(release) === `${origin}/${name}`,
    )
    if (present === undefined) contexts.add(planContext(path))
    else
      out.note(
        `The change has ${present.release} already, so ${path} is not built; --rebuild builds it again.`,
      )
  }
  return [...contexts].map((context) => {
    const words = ['hab', 'pkg', 'build', context] as const
    return { words, shown: words.join(' ') }
  })
}

/**
 * Returns the folder for hab, which looks for plans in it, in its folder `habitat/`, and in folders of
 * targets.
 */
function planContext(path: string): string {
  const folder = isTarget(basename(dirname(path))) ? dirname(dirname(path)) : dirname(path)
  return basename(folder) === 'habitat' ? dirname(folder) : folder
}

/**
 * Reports whether hab builds a plan on this machine. Plans in the folder of a target are for that target
 * only.
 */
function isForThisMachine(path: string): boolean {
  const folder = basename(dirname(path))
  const program = platform() === 'win32' ? 'plan.ps1' : 'plan.sh'
  return basename(path) === program && (!isTarget(folder) || folder === targetOfMachine())
}

function recordedFor(change: Change, { ident, target }: Artifact): Change['releases'][number] | undefined {
  return presentReleases(change).find(
    (recorded) => recorded.target === target && packageOf(recorded.release) === packageOf(ident),
  )
}

function hasProgram({ env }: Io, name: string): boolean {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, name)))
}
