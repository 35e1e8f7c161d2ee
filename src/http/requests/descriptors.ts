import { readFileSync, readdirSync } from 'node:fs'
import { cannotOpen } from '../../database/errors.ts'

/** Descriptors reserved for the database, the log and threads that start on demand. */
const RESERVED = 64
/**
 * The share of the free descriptors for connections. The rest is for the files that clients upload or
 * download.
 */
const SHARE_OF_CONNECTIONS = 2 / 3
const MIN_CONNECTIONS = 8

/**
 * Returns how many connections each of `threads` may have, given the limit of open files and the files open
 * now. Returns `undefined` where the system does not tell.
 */
export function maxConnections(threads: number): number | undefined {
  try {
    const max = maxFiles()
    if (max === undefined) return undefined
    const free = max - readdirSync('/proc/self/fd').length - RESERVED
    return Math.max(MIN_CONNECTIONS, Math.floor((free * SHARE_OF_CONNECTIONS) / threads))
  } catch {
    return undefined // this system has no /proc
  }
}

function maxFiles(): number | undefined {
  const [, max] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return max === undefined ? undefined : Number(max)
}

const EXHAUSTED_CODES: readonly unknown[] = ['EMFILE', 'ENFILE']
const MAX_CAUSE_DEPTH = 5
/**
 * Opening a database takes three files. If it fails while fewer descriptors than this are free, lack of
 * descriptors counts as the cause.
 */
const FEW = 8

/** Reports whether an error was caused by a lack of file descriptors in the process or the machine. */
export function lacksDescriptors(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < MAX_CAUSE_DEPTH && cause instanceof Error; depth += 1) {
    if ('code' in cause && EXHAUSTED_CODES.includes(cause.code)) return true
    if (cannotOpen(cause)) return hasFew() // SQLite does not say why it could not open a file
    cause = cause.cause
  }
  return false
}

function hasFew(): boolean {
  try {
    return (maxFiles() ?? Infinity) - readdirSync('/proc/self/fd').length < FEW
  } catch (error) {
    return error instanceof Error && 'code' in error && EXHAUSTED_CODES.includes(error.code) // reading the folder takes a descriptor, too
  }
}
