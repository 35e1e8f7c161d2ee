import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { TARGETS } from '../../package/target.ts'
import { didYouMean } from '../../text/nearest.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { readYaml } from '../remote/yaml-file.ts'
import { UsageError } from '../exit-codes.ts'
import { periodMs } from '../remote/arguments.ts'

/** The file of a project that says what its pipeline does. */
export const CONFIG_FILE = '.hart-depot.yml'
/** A name that people give to the file by mistake. */
const OTHER_CONFIG_FILE = '.hart-depot.yaml'

/** shellcheck cannot know the variables that Habitat's build program reads and sets. */
const USUAL_EXCLUDES = ['SC2034', 'SC2154']

const Line = z.string().min(1)
const Period = z
  .string()
  .regex(/^\d{1,6}[smhdw]$/, 'a period such as 90s, 30m or 6h')
  .meta({ description: 'a period such as 90s, 30m or 6h' })
const Timeout = Period.optional().meta({
  description: 'how long the phase may take, such as 30m; by default, there is no limit',
})
const ViewName = z.string().regex(/^[^/\s@]+$/, 'the name of a view')

const CheckPhase = z
  .union([
    Line.meta({ description: 'the command, for sh' }),
    z.strictObject({ command: Line.meta({ description: 'the command, for sh' }), timeout: Timeout }),
  ])
  .optional()

const ViewPhase = z
  .union([
    Line.meta({ description: 'the command, for sh' }),
    z.strictObject({
      command: Line.meta({ description: 'the command, for sh' }),
      timeout: Timeout,
      views: z
        .array(ViewName)
        .min(1)
        .optional()
        .meta({ description: 'the only environments in which the phase runs; by default, all of them' }),
    }),
  ])
  .optional()

const Config = z
  .strictObject({
    project: z
      .string()
      .regex(/^[^/\s]+\/[^/\s]+$/, 'a project is origin/name, for example acme/app')
      .optional()
      .meta({ description: 'the project, origin/name; by default, the package of the only plan' }),
    views: z
      .array(ViewName)
      .min(1)
      .default(['acceptance', 'union', 'rehearsal', 'delivered'])
      .meta({ description: 'the environments, in the order in which a change passes through them' }),
    plans: z
      .array(Line)
      .optional()
      .meta({ description: 'folders that have a plan; by default, all that are found below this file' }),
    targets: z.array(z.enum(TARGETS)).optional().meta({
      description: 'the targets that a change must have been published for before it is provisioned',
    }),
    lint: z
      .strictObject({
        exclude: z
          .array(z.string().regex(/^SC\d+$/, 'a code of shellcheck such as SC2034'))
          .default(USUAL_EXCLUDES)
          .meta({ description: 'findings of shellcheck that are ignored' }),
        severity: z
          .enum(['error', 'warning', 'info', 'style'])
          .default('style')
          .meta({ description: 'the lowest severity of findings that fail the phase' }),
      })
      .default({ exclude: USUAL_EXCLUDES, severity: 'style' })
      .meta({ description: 'shellcheck on every plan.sh and hook' }),
    unit: CheckPhase.meta({ description: 'the command that runs the unit tests' }),
    security: CheckPhase.meta({ description: 'the command that looks for vulnerabilities' }),
    quality: CheckPhase.meta({ description: 'the command that measures quality' }),
    publish: z
      .strictObject({
        build: Line.optional().meta({
          description:
            'the command, for sh, that builds the package and leaves results/last_build.env; by default, hab pkg build',
        }),
        timeout: Timeout,
      })
      .default({})
      .meta({ description: 'how packages are built and uploaded' }),
    provision: z
      .strictObject({
        with_deps: z.boolean().default(false).meta({ description: 'also promote what the packages need' }),
        wait: Line.optional().meta({
          description: 'with --wait: a command, for sh, that succeeds once the environment runs the change',
        }),
        timeout: Period.optional().meta({ description: 'with --wait: how long to wait, such as 15m' }),
      })
      .default({ with_deps: false })
      .meta({ description: 'how a change is promoted into a view' }),
    deploy: ViewPhase.meta({ description: 'the command that deploys to the environment' }),
    smoke: ViewPhase.meta({
      description: 'the command that finds out quickly whether the environment works',
    }),
    functional: ViewPhase.meta({ description: 'the command that tests the environment thoroughly' }),
  })
  .meta({ title: 'hart-depot pipeline', description: 'What the ten phases of a project do' })

export type Config = z.infer<typeof Config>

/** The keys below the top level, for hints about misspelled keys. */
const INNER_KEYS = ['command', 'timeout', 'views', 'exclude', 'severity', 'build', 'with_deps', 'wait']

/** The phases that can be limited to some environments. */
const VIEW_COMMANDS = ['deploy', 'smoke', 'functional'] as const

/** A project and its pipeline. */
export interface Project {
  readonly config: Config
  /** The folder of the file, in which commands run. */
  readonly folder: string
}

/**
 * Reads the given file, or else `.hart-depot.yml` in the working folder. Without that file, the defaults
 * apply. Throws a UsageError with the line and the column of a mistake.
 */
export async function readProject(io: Io, given: string | undefined): Promise<Project> {
  const path = pathOf(io, given ?? CONFIG_FILE)
  const folder = resolve(dirname(path))
  if (given === undefined && !existsSync(path)) {
    if (existsSync(pathOf(io, OTHER_CONFIG_FILE)))
      throw new UsageError(`${OTHER_CONFIG_FILE} is not read: rename it to ${CONFIG_FILE}`)
    return { config: Config.parse({}), folder }
  }
  const file = await readYaml(io, given ?? CONFIG_FILE)
  const parsed = Config.safeParse(file.value ?? {})
  if (parsed.success) {
    const fault = faultyView(parsed.data)
    if (fault === undefined) return { config: parsed.data, folder }
    throw new UsageError(`${file.placeOf(fault.pointer)}: ${fault.detail}`)
  }
  const [issue] = parsed.error.issues
  if (issue === undefined) throw parsed.error
  const { path: keys, detail, isKey } = describe(issue)
  const pointer = ['', ...keys].join('/')
  throw new UsageError(`${isKey ? file.placeOfKey(pointer) : file.placeOf(pointer)}: ${detail}`)
}

/** Finds an environment that `views` names twice, or one of a phase that `views` does not name. */
function faultyView(config: Config): { pointer: string; detail: string } | undefined {
  const { views } = config
  const twice = views.findIndex((view, index) => views.indexOf(view) !== index)
  if (twice !== -1) return { pointer: `/views/${twice}`, detail: `${views[twice]} is named twice` }
  for (const phase of VIEW_COMMANDS) {
    const given = config[phase]
    const named = typeof given === 'object' ? (given.views ?? []) : []
    for (const [index, view] of named.entries())
      if (!views.includes(view))
        return {
          pointer: `/${phase}/views/${index}`,
          detail: `${view} is not one of the environments (${views.join(', ')})${didYouMean(view, views)}`,
        }
  }
  return undefined
}

/** Returns the JSON schema of the file, for editors. */
export function configSchema(): object {
  return z.toJSONSchema(Config, { io: 'input' })
}

/** Returns the project's own command for a phase, or `undefined` if there is none. */
export function commandOf(
  { config }: Project,
  phase: 'unit' | 'security' | 'quality' | 'deploy' | 'smoke' | 'functional',
): { command: string; timeoutMs: number | undefined; views: readonly string[] | undefined } | undefined {
  const given = config[phase]
  if (given === undefined) return undefined
  if (typeof given === 'string') return { command: given, timeoutMs: undefined, views: undefined }
  return {
    command: given.command,
    timeoutMs: given.timeout === undefined ? undefined : periodMs(given.timeout, `${phase}.timeout`),
    views: 'views' in given ? given.views : undefined,
  }
}

type Issue = z.core.$ZodIssue

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly detail: string
  /** Whether the key itself is wrong, not its value. */
  readonly isKey: boolean
}

/** Describes the innermost fault of an issue. For a union, an unknown key counts before other faults. */
function describe(issue: Issue): Fault {
  if (issue.code === 'invalid_union') {
    const inner = issue.errors
      .flat()
      .filter(({ code, path }) => code !== 'invalid_type' || path.length > 0)
      .toSorted((a, b) => Number(b.code === 'unrecognized_keys') - Number(a.code === 'unrecognized_keys'))
      .at(0) // an unknown key explains a missing one
    if (inner === undefined)
      return {
        path: issue.path,
        detail: 'expected a command, or a mapping with the key command',
        isKey: false,
      }
    const fault = describe(inner)
    return { ...fault, path: [...issue.path, ...fault.path] }
  }
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const hint = didYouMean(key, [...INNER_KEYS, ...Object.keys(Config.shape)])
    return { path: [...issue.path, key], detail: `the key ${key} is unknown${hint}`, isKey: true }
  }
  return { path: issue.path, detail: issue.message, isKey: false }
}
