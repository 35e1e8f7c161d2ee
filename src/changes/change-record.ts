import { createHash } from 'node:crypto'
import { DepotError, quote } from '../errors.ts'
import { makePackageName, formatPackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ChangeState, PhaseStatus } from '../views/phase.ts'

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
  /** The targets that are to be built. Empty if the client named none. */
  readonly targets: readonly Target[]
  readonly state: ChangeState
  readonly releases: readonly ChangeRelease[]
  /** The last report of each phase, for each view in which it runs, the oldest first. */
  readonly phases: readonly PhaseReport[]
}

/** A release that belongs to a change. */
export interface ChangeRelease {
  /** 1 for the release that was added first. */
  readonly position: number
  readonly releaseId: number
  readonly ident: string
  readonly target: Target
  readonly checksum: string
  readonly signer: string
  /** When it was added to the change. */
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

/** How a phase of a change stands. */
export interface PhaseReport {
  readonly phase: string
  /** `undefined` for phases that run once for the change. */
  readonly view: string | undefined
  readonly status: PhaseStatus
  /** The URL of the job that ran the phase. */
  readonly job: string | undefined
  readonly message: string | undefined
  /** How many releases the change had when the report came. The report is about these releases only. */
  readonly releaseCount: number
  readonly by: string | undefined
  readonly at: number
}

/** The maximum number of releases of one change, including those that were replaced. */
export const MAX_RELEASES = 100
/** The maximum number of phases of one change. A phase counts once for each view in which it was reported. */
export const MAX_PHASES = 200
/** The maximum number of changes to which one release belongs. */
export const MAX_CHANGES_OF_RELEASE = 10
/** The maximum number of characters of the message of a report. */
export const MAX_MESSAGE_LENGTH = 2_000
/** The maximum number of characters of the URL of a change or a job. */
const MAX_URL_LENGTH = 2_000
/** The maximum number of characters of each name that describes a change, for example its branch. */
const MAX_CHANGE_NAME_LENGTH = 255

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
    `${quote(text)} must be one line of 1 to ${MAX_CHANGE_NAME_LENGTH} characters`,
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

/**
 * Returns the id of a change for clients. It is a digest, so that a repeated request finds the same change.
 * The digest includes the time at which the origin was created, so that an origin that was deleted and
 * created again does not find the changes of its predecessor.
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
