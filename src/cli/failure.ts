import { DepotError } from '../errors.ts'
import { isNetworkFault, networkFault } from '../network-fault.ts'
import { denial } from './data-folder.ts'

/** Formats a failure: one sentence for errors of the caller or the machine, the stack for bugs. */
export function describeFailure(error: unknown): string {
  const sentence = sentenceFor(error)
  if (sentence !== undefined) return sentence.replaceAll(/\s*\n\s*/g, ' ')
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Of the system, by the code that Node gives it (nodejs.org/api/errors.html, common system errors). */
const SYSTEM: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `there is no ${path}`,
  EEXIST: (path) => `${path} is there already, and is something else than was expected`,
  EISDIR: (path) => `${path} is a folder, and a file is expected`,
  ENOTDIR: (path) => `${path} lies below a file`,
  ENOTEMPTY: (path) => `${path} is not empty`,
  EROFS: (path) => `${path} lies on a disk that cannot be written`,
  ENOSPC: (path) => `there is no space left for ${path}`,
  EDQUOT: (path) => `there is no space left for ${path}: the quota is reached`,
  EMFILE: () => 'too many files are open: raise the limit (ulimit -n)',
  ENFILE: () => 'too many files are open on this machine',
  EIO: (path) => `the disk fails at ${path}`,
  ENAMETOOLONG: (path) => `the name ${path} is too long`,
  ELOOP: (path) => `the links at ${path} lead nowhere`,
  EACCES: denial,
  EPERM: denial,
}

/** Of the database, by the first part of its code (sqlite.org/rescode.html). */
const DATABASE: Readonly<Record<string, string>> = {
  SQLITE_CANTOPEN:
    'the database cannot be opened: DEPOT_DATA or DEPOT_DATABASE_URL may name another place than meant',
  SQLITE_NOTADB:
    'the file of the database is none: DEPOT_DATA or DEPOT_DATABASE_URL may name another file than meant',
  SQLITE_CORRUPT: 'the database is damaged: restore it from a backup',
  SQLITE_FULL: 'there is no space left for the database',
  SQLITE_READONLY: 'the database may only be read: its files or their folder belong to somebody else',
  SQLITE_PERM: 'the database may not be used: its files belong to somebody else',
  SQLITE_IOERR: 'the disk fails at the database',
  SQLITE_BUSY: 'the database is in use by another program',
  SQLITE_LOCKED: 'the database is in use by another program',
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof DepotError) return error.message
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return undefined
  const { code } = error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined
  const of = SYSTEM[code]
  if (of !== undefined) return of(path ?? 'a file')
  const database = Object.entries(DATABASE).find(([known]) => code === known || code.startsWith(`${known}_`))
  if (database !== undefined) return database[1]
  // The other codes are those of our own commands, and of the client of other depots.
  return isNetworkFault(code)
    ? `the connection${path === undefined ? '' : ` to ${path}`} failed: ${networkFault(error)}`
    : error.message
}
