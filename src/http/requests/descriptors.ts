import { readFileSync, readdirSync } from 'node:fs'

/** Descriptors that connections leave alone: for the database, the log, and threads that start when they are needed first. */
const RESERVED = 64
/** A connection may need a descriptor for the file that it uploads or downloads. */
const SHARE_OF_CONNECTIONS = 2 / 3
const LEAST_CONNECTIONS = 8

/** How many connections each of so many threads may have, by the limit of open files and what is open now; `undefined` where the system does not tell. */
export function mostConnections(threads: number): number | undefined {
  try {
    const most = mostFiles()
    if (most === undefined) return undefined
    const free = most - readdirSync('/proc/self/fd').length - RESERVED
    return Math.max(LEAST_CONNECTIONS, Math.floor((free * SHARE_OF_CONNECTIONS) / threads))
  } catch {
    return undefined // the system has no such files
  }
}

function mostFiles(): number | undefined {
  const [, most] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return most === undefined ? undefined : Number(most)
}

const CODES: readonly unknown[] = ['EMFILE', 'ENFILE']
const MOST_CAUSES = 5
/** With so few left, opening a database fails: it takes a file, its log and its index. */
const FEW = 8

/** Whether something failed because the process, or the machine, has no file descriptor left. */
export function lacksDescriptors(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < MOST_CAUSES && cause instanceof Error; depth += 1) {
    if ('code' in cause && CODES.includes(cause.code)) return true
    // SQLite names no cause, and a file that may not be read is another one.
    if ('code' in cause && cause.code === 'SQLITE_CANTOPEN') return hasFew()
    cause = cause.cause
  }
  return false
}

function hasFew(): boolean {
  try {
    return (mostFiles() ?? Infinity) - readdirSync('/proc/self/fd').length < FEW
  } catch (error) {
    return error instanceof Error && 'code' in error && CODES.includes(error.code) // looking takes a descriptor, too
  }
}
