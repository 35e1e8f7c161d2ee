import { createHash } from 'node:crypto'
import { DepotError, quote } from '../errors.ts'
import { makePackageName, formatPackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'

// What a pipeline did with one change of a project: the releases that it built, and how each phase ended.

/** A change of a project as the depot knows it. Times are epoch milliseconds. */
export interface ChangeRecord {
  readonly id: number
  /** The id for clients. */
  readonly publicId: string
  readonly originId: number
  /** `origin/name`. All releases of the change are of this origin. */
  readonly project: string
  /** The project's own name for the change, such as a commit or the number of a review. */
  readonly change: string
  readonly commit: string
  readonly branch: string | undefined
  readonly url: string | undefined
  /** The account that recorded the change; `undefined` for the operator's shell. */
  readonly by: string | undefined
  readonly at: number
  /** The targets that are to be built. Empty if nothing was said. */
  readonly targets: readonly Target[]
  readonly state: ChangeState
  readonly releases: readonly ChangeRelease[]
  /** The last report of each phase, for each view in which it runs. */
  readonly phases: readonly PhaseReport[]
}

export interface ChangeRelease {
  readonly position: number
  readonly releaseId: number
  readonly ident: string
  readonly target: Target
  readonly checksum: string
  readonly signer: string
  readonly at: number
  /** The position of the rebuild that replaces this release in the change. */
  readonly replacedBy: number | undefined
}

/** The fields with which a client describes a change. */
export interface NewChange {
  readonly project: string
  readonly change: string
  readonly commit: string
  readonly branch?: string
  readonly url?: string
  readonly targets: readonly Target[]
}

export interface PhaseReport {
  readonly phase: string
  /** `undefined` for phases that run once for the change. */
  readonly view: string | undefined
  readonly status: PhaseStatus
  /** The URL of the job that ran the phase. */
  readonly job: string | undefined
  readonly message: string | undefined
  /** The report is about this many releases of the change: those that were added before it. */
  readonly releaseCount: number
  readonly by: string | undefined
  readonly at: number
}

export const PHASE_STATUSES = ['running', 'passed', 'failed', 'skipped', 'not_configured'] as const
export type PhaseStatus = (typeof PHASE_STATUSES)[number]

/**
 * The phases of a change in one word: `failed` if any phase failed, else `running` if one runs, else `passed`
 * if one passed, else `recorded`.
 */
export const CHANGE_STATES = ['recorded', 'running', 'failed', 'passed'] as const
export type ChangeState = (typeof CHANGE_STATES)[number]

export function stateOf(statuses: readonly PhaseStatus[]): ChangeState {
  return (['failed', 'running', 'passed'] as const).find((status) => statuses.includes(status)) ?? 'recorded'
}

/** The phases that run once for each change, as the build cookbook of Habitat had them. */
export const CHANGE_PHASES: readonly string[] = ['lint', 'syntax', 'unit', 'security', 'quality', 'publish']
/** The phases that run in each environment, so reports of them name a view. */
export const VIEW_PHASES: readonly string[] = ['provision', 'deploy', 'smoke', 'functional']

/** The maximum number of releases of one change, including those that were replaced. */
export const MAX_RELEASES = 100
/** The maximum number of phases of one change. A phase counts once for each view in which it was reported. */
export const MAX_PHASES = 200
/** The maximum number of changes to which one release belongs. */
export const MAX_CHANGES_OF_RELEASE = 10
/** In characters: a message, a URL, and the names that describe a change. */
export const MAX_MESSAGE_LENGTH = 2_000
export const MAX_URL_LENGTH = 2_000
export const MAX_CHANGE_NAME_LENGTH = 255

const PHASE = /^[a-z][a-z0-9_-]{0,62}$/
/** Visible ASCII characters, so that a name can stand in a message, a header and a table. */
const NAME = /^[!-~]+$/
const LINE = /^[^\p{Cc}\u2028\u2029]+$/u

/** Parses the name of a project, `origin/name`. Throws `invalid_request`. */
export function parseProject(text: string): string {
  const [origin = '', name = '', ...others] = text.split('/')
  try {
    if (others.length === 0) return formatPackageName(makePackageName({ origin, name }))
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
  }
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a project: it must be origin/name, like a package`,
  )
}

/** Parses the name of a change or a commit. Throws `invalid_request`. */
export function parseChangeName(text: string): string {
  if (text.length <= MAX_CHANGE_NAME_LENGTH && NAME.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} must be 1 to ${MAX_CHANGE_NAME_LENGTH} visible ASCII characters`,
  )
}

/** Parses one line of text, such as a branch or the holder of a lease. Throws `invalid_request`. */
export function parseLine(text: string): string {
  if (text.length <= MAX_CHANGE_NAME_LENGTH && LINE.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} must be one line of at most ${MAX_CHANGE_NAME_LENGTH} characters`,
  )
}

/** Parses the URL of a change or a job, which people click: http or https. Throws `invalid_request`. */
export function parseLink(text: string): string {
  const url =
    text.length <= MAX_URL_LENGTH && NAME.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not an http or https URL of at most ${MAX_URL_LENGTH} characters`,
  )
}

/** Parses the name of a phase: one of the ten, or one of the site's own. Throws `invalid_request`. */
export function parsePhase(text: string): string {
  if (PHASE.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a phase: the phases are ${[...CHANGE_PHASES, ...VIEW_PHASES].join(', ')}, and names of your own of lower-case letters, digits, - and _, starting with a letter, at most 63 characters`,
  )
}

/**
 * Throws `invalid_request` if a phase of an environment names no view, or a phase of the whole change names
 * one.
 */
export function expectViewFits(phase: string, view: string | undefined): void {
  const fault =
    view === undefined && VIEW_PHASES.includes(phase)
      ? `${phase} runs in each environment: name the view`
      : view !== undefined && CHANGE_PHASES.includes(phase)
        ? `${phase} runs once for each change: name no view`
        : undefined
  if (fault !== undefined)
    throw new DepotError('invalid_request', fault, { parts: [{ detail: fault, pointer: '/view' }] })
}

/**
 * Returns the id of a change for clients: a digest, so that a repeated request needs no memory of the first
 * one. An origin that was deleted and created again has other changes than before.
 */
export function publicIdOf(
  { project, change }: Pick<NewChange, 'project' | 'change'>,
  origin: { readonly createdAt: number },
): string {
  return createHash('sha256')
    .update(JSON.stringify([project, change, origin.createdAt]))
    .digest('hex')
    .slice(0, 32)
}

/** Returns a phase in messages: `smoke in acceptance`, or `unit`. */
export function describePhase({ phase, view }: { phase: string; view?: string | undefined }): string {
  return view === undefined ? phase : `${phase} in ${view}`
}
