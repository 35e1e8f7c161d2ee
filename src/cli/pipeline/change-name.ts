import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import type { Io } from '../io.ts'
import { UsageError } from '../exit-codes.ts'
import type { Project } from './config.ts'
import { readPlanNames } from './plan-names.ts'

/** A change of a project, before the depot knows of it. */
export interface ChangeName {
  /** `origin/name`. */
  readonly project: string
  /** The commit, or another name that the pipeline gives to the change. */
  readonly change: string
  readonly commit: string
  readonly branch: string | undefined
  /** The page of the change or the commit. */
  readonly url: string | undefined
}

/** What the command line says about the change. */
export interface ChangeOptions {
  readonly project?: string | undefined
  readonly change?: string | undefined
  readonly job?: string | undefined
}

/** The options, and what the project is called if nothing else names it. */
export interface NamingOptions extends ChangeOptions {
  /** The package of the releases of the change, `origin/name`. */
  readonly projectOfPackage?: string | undefined
}

type Environment = Io['env']

/** The variables in which CI systems give the commit. The first one that is set counts. */
const COMMIT_VARIABLES = ['CI_COMMIT_SHA', 'GIT_COMMIT', 'GITHUB_SHA', 'BUILDKITE_COMMIT']
const BRANCH_VARIABLES = [
  'CI_COMMIT_REF_NAME',
  'GIT_BRANCH',
  'GITHUB_HEAD_REF',
  'GITHUB_REF_NAME',
  'BUILDKITE_BRANCH',
]
const JOB_VARIABLES = ['CI_JOB_URL', 'BUILD_URL', 'BUILDKITE_BUILD_URL']

/**
 * Finds the project and the change. Looks at the options first, then at the variables that `publish
 * --env-file` writes, then at the configuration and the variables of CI systems, and last at the plan and at
 * git. Throws a UsageError.
 */
export async function nameChange(io: Io, project: Project, options: NamingOptions): Promise<ChangeName> {
  const { env } = io
  const given = options.change ?? first(env, ['HART_DEPOT_CHANGE'])
  const commit =
    first(env, ['HART_DEPOT_COMMIT', ...COMMIT_VARIABLES]) ?? given ?? (await headOf(project.folder))
  return {
    project: await projectName(io, project, options),
    change: given ?? commit,
    commit,
    branch: first(env, BRANCH_VARIABLES),
    url: commitUrl(env),
  }
}

/** Returns the URL of the job that runs this command, if it is known. */
export function jobUrl({ env }: Pick<Io, 'env'>, { job }: ChangeOptions): string | undefined {
  return job ?? first(env, JOB_VARIABLES) ?? githubUrl(env, 'actions/runs/', 'GITHUB_RUN_ID')
}

/** The maximum number of characters of a holder in the depot. */
const MAX_HOLDER = 255

/** Returns a unique name for this process. Whoever wants the lease of the process is shown this name. */
export function holderName({ env }: Pick<Io, 'env'>, job: string | undefined): string {
  const name = `${randomBytes(4).toString('hex')} on ${hostname()}, ${job ?? env['USER'] ?? 'a job'}`
  return name.slice(0, MAX_HOLDER)
}

/** Finds the project, as {@link nameChange} does. Throws a UsageError. */
export async function projectName(
  { env }: Io,
  project: Project,
  { project: given, projectOfPackage }: NamingOptions,
): Promise<string> {
  const stated = given ?? first(env, ['HART_DEPOT_PROJECT']) ?? project.config.project
  if (stated !== undefined) return stated
  const named = (await readPlanNames(project, env)).flatMap(({ origin, name }) =>
    origin === undefined || name === undefined ? [] : [`${origin}/${name}`],
  )
  const [only, ...others] = new Set(named)
  if (only !== undefined && others.length === 0) return only
  if (only === undefined && projectOfPackage !== undefined) return projectOfPackage
  throw new UsageError(
    'which project is this? Write project: ORIGIN/NAME into .hart-depot.yml, or give --project ORIGIN/NAME',
  )
}

const run = promisify(execFile)

/**
 * Returns the commit of the working tree. Throws a UsageError if there is none, or if files differ from it,
 * because the phases would not check what the commit contains.
 */
async function headOf(folder: string): Promise<string> {
  const git = async (...args: string[]) => (await run('git', args, { cwd: folder })).stdout.trim()
  const head = await git('rev-parse', 'HEAD').catch(() => {
    throw new UsageError(
      `which change is this? Give --change ID, or set ${COMMIT_VARIABLES.join(' or ')}: there is no git here, or no commit in ${folder}`,
    )
  })
  if ((await git('status', '--porcelain', '--untracked-files=no')) === '') return head
  throw new UsageError(
    'the working tree has changes that are not committed: commit them, or give --change ID. Phases also run without a change, by hart-depot pipeline PHASE --no-report',
  )
}

function commitUrl(env: Environment): string | undefined {
  const [project, commit] = [first(env, ['CI_PROJECT_URL']), first(env, ['CI_COMMIT_SHA'])] // of GitLab
  if (project !== undefined && commit !== undefined) return `${project}/-/commit/${commit}`
  return githubUrl(env, 'commit/', 'GITHUB_SHA')
}

function githubUrl(env: Environment, path: string, variable: string): string | undefined {
  const [server, repository, last] = ['GITHUB_SERVER_URL', 'GITHUB_REPOSITORY', variable].map(
    (name) => env[name],
  )
  return server === undefined || repository === undefined || last === undefined
    ? undefined
    : `${server}/${repository}/${path}${last}`
}

function first(env: Environment, names: readonly string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value !== undefined && value !== '')
}
