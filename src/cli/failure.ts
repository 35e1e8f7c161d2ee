import { describeDatabaseError } from '../database/errors.ts'
import { DownloadDamaged, FileChanged, NotADepot, RequestRefused, Unreachable } from '../client/errors.ts'
import { DepotError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { isNetworkFault, networkFault } from '../network-fault.ts'
import type { RemoteError, RemoteFailure } from '../remote/remote-error.ts'
import { describeDenial } from './local/denial.ts'
import { EXIT, Exit, UsageError } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'

/** Returns the exit code of a failed command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Exit) return error.exitCode
  if (error instanceof UsageError) return EXIT.usage
  if (error === 'SIGINT') return EXIT.interrupted
  if (error === 'SIGTERM') return EXIT.terminated
  if (error instanceof Unreachable || error instanceof NotADepot) return EXIT.unreachable
  if (isRemoteError(error)) return REMOTE_EXIT_CODES[error.failure] ?? EXIT.failed
  if (error instanceof DepotError) return EXIT_CODES[error.code] ?? EXIT.failed
  if (!(error instanceof RequestRefused)) return EXIT.failed
  switch (error.status) {
    case 401:
    case 403:
      return EXIT.noRights
    case 404:
      return EXIT.notFound
    case 409:
      return EXIT.refused
    case 412:
      return EXIT.stale
    default:
      return error.status >= 500 ? EXIT.unreachable : EXIT.failed
  }
}

/** The exit codes of imports and pulls. */
const REMOTE_EXIT_CODES: Readonly<Partial<Record<RemoteFailure, ExitCode>>> = {
  unreachable: EXIT.unreachable,
  unauthenticated: EXIT.noRights,
}

/** Recognizes the error by its code, so that most commands need not load its class. */
function isRemoteError(error: unknown): error is RemoteError {
  return error instanceof Error && 'code' in error && error.code === 'ERR_REMOTE_DEPOT'
}

/** The exit codes of errors on a data folder, which are those of the same errors over HTTP. */
const EXIT_CODES: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  not_found: EXIT.notFound,
  forbidden: EXIT.noRights,
  already_exists: EXIT.refused,
  conflict: EXIT.refused,
}

/**
 * Explains a failure to a person. An empty text means that the command has said everything, or that a signal
 * ended it.
 */
export function explain(error: unknown): string {
  if (error === 'SIGINT' || error === 'SIGTERM') return ''
  if (
    error instanceof Exit ||
    error instanceof UsageError ||
    error instanceof Unreachable ||
    error instanceof NotADepot ||
    error instanceof DownloadDamaged ||
    error instanceof FileChanged
  )
    return error.message
  if (error instanceof RequestRefused) return explainRefusal(error)
  return describeFailure(error)
}

function explainRefusal(error: RequestRefused): string {
  const { code, message, problem } = error
  const { errors: reasons = [] } = problem
  const advice = adviceFor(error)
  // The sentence of the depot has only the first of several reasons.
  return reasons.length > 1 && message.endsWith(`, and ${reasons.length - 1} more`)
    ? `${code} for ${reasons.length} reasons:\n  ${reasons.map(({ detail }) => detail).join('\n  ')}${advice.replace('. ', '\n')}`
    : `${sentenceOf(error)}${advice}`
}

/** Returns what the depot said, with the names of arguments instead of JSON pointers. */
function sentenceOf({ message, problem: { errors = [] } }: RequestRefused): string {
  return errors.reduce((text, { pointer = '' }) => {
    const name = pointer.split('/').findLast((part) => !/^\d*$/.test(part))
    return name === undefined ? text : text.replace(`${pointer}: `, `${name}: `)
  }, message)
}

function adviceFor({ code, message, problem, tokenAdvice }: RequestRefused): string {
  switch (code) {
    case 'unauthenticated':
      return `. ${tokenAdvice ?? 'Log in with hart-depot login URL --with-token'}`
    case 'signer_unknown':
      return '. Give the public key of the signer with --key FILE'
    case 'stale_plan':
    case 'stale_revision':
    case 'stale_settings':
      return '. Nothing was changed: look again, and repeat the command'
    case 'refused':
      return adviceForRules((problem.errors ?? []).flatMap(({ rule }) => rule ?? []))
    case 'not_found':
      return momentAdvice(message)
    default:
      return ''
  }
}

/** Advises how to name a past state, if the view that does not exist may be meant as a view and a moment. */
function momentAdvice(message: string): string {
  const [, view, moment] = /^there is no view "([^"]+)@([^"@]+)"/.exec(message) ?? []
  return view === undefined
    ? ''
    : `. If ${moment} is a moment of ${view}, write it as a revision or a time: ${view}@41, or ${view}@2026-01-02T08:00:00Z`
}

/** Advises on the rules of a view that refuse a change. Only some can be overridden. */
function adviceForRules(rules: readonly string[]): string {
  if (rules.length === 0 || rules.includes('yanked')) return ''
  const thaw = rules.includes('freeze') ? '. hart-depot thaw ends a freeze' : ''
  return `${thaw}. Those who may override rules can change the view with --override REASON`
}

/** Formats a failure: one sentence for errors of the caller or the machine, the stack for bugs. */
export function describeFailure(error: unknown): string {
  const sentence = sentenceFor(error)
  if (sentence !== undefined) return sentence.replaceAll(/\s*\n\s*/g, ' ')
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Stands for the path of a system error that names none. */
const UNNAMED = 'a file'

/** Sentences for system errors, by Node's code (nodejs.org/api/errors.html, common system errors). */
const SYSTEM_SENTENCES: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => (path === UNNAMED ? 'a file is missing' : `there is no ${path}`),
  EEXIST: (path) => `${path} already exists`,
  EISDIR: (path) =>
    path === UNNAMED
      ? 'a folder was given where a file is expected'
      : `${path} is a folder; a file is expected`,
  ENOTDIR: (path) => `a part of ${path} is a file, not a folder`,
  ENOTEMPTY: (path) => `${path} is not empty`,
  EROFS: (path) => `${path} is on a read-only disk`,
  ENOSPC: (path) => `there is no space left for ${path}`,
  EDQUOT: (path) => `there is no space left for ${path}: the quota is reached`,
  EMFILE: () => 'too many files are open: raise the limit (ulimit -n)',
  ENFILE: () => 'too many files are open on this machine',
  EIO: (path) => `the disk failed to read or write ${path}`,
  ENAMETOOLONG: (path) => `the name ${path} is too long`,
  ELOOP: (path) => `${path} has too many symbolic links, or a loop of them`,
  EACCES: sentenceOfDenial,
  EPERM: sentenceOfDenial,
}

function sentenceOfDenial(path: string): string {
  return path === UNNAMED ? 'access to a file is denied to this user' : describeDenial(path)
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof DepotError) return error.message
  if (!(error instanceof Error)) return undefined
  const database = describeDatabaseError(error)
  if (database !== undefined) return database
  if (!('code' in error && typeof error.code === 'string')) return undefined
  const { code } = error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined
  const describe = SYSTEM_SENTENCES[code]
  if (describe !== undefined) return describe(path ?? UNNAMED)
  // Other codes come from the network, from commands and from the client of other depots.
  return isNetworkFault(code)
    ? `the connection${path === undefined ? '' : ` to ${path}`} failed: ${networkFault(error)}`
    : error.message
}
