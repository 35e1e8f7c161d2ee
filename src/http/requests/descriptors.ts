import { readFileSync, readdirSync } from 'node:fs'
import { isUnopened } from '../../database/engine.ts'

/** Descriptors reserved for the database, the log and threads that start on demand. */
const RESERVED = 64
/** A connection may need a descriptor for the file that it uploads or downloads. */
const SHARE_OF_CONNECTIONS = 2 / 3
const LEAST_CONNECTIONS = 8

/**
 * Returns how many connections each of `threads` may have, given the limit of open files and the files open
 * now. Returns `undefined` where the system does not tell.
 */
export function mostConnections(threads: number): number | undefined {
  try {
    const most = mostFiles()
    if (most === undefined) return undefined
    const free = most - readdirSync('/proc/self/fd').length - RESERVED
    return Math.max(LEAST_CONNECTIONS, Math.floor((free * SHARE_OF_CONNECTIONS) / threads))
  } catch {
    return undefined // this system has no /proc
  }
}

function mostFiles(): number | undefined {
  const [, most] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return most === undefined ? undefined : Number(most)
}

const CODES: readonly unknown[] = ['EMFILE', 'ENFILE']
const MOST_CAUSES = 5
/** With fewer descriptors left, SQLite cannot open a database, which takes a file, its log and its index. */
const FEW = 8

/** Reports whether an error was caused by a lack of file descriptors in the process or the machine. */
export function lacksDescriptors(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < MOST_CAUSES && cause instanceof Error; depth += 1) {
    if ('code' in cause && CODES.includes(cause.code)) return true
    if (isUnopened(cause)) return hasFew() // the error gives no cause
    cause = cause.cause
  }
  return false
}

function hasFew(): boolean {
  try {
    return (mostFiles() ?? Infinity) - readdirSync('/proc/self/fd').length < FEW
  } catch (error) {
    return error instanceof Error && 'code' in error && CODES.includes(error.code) // reading the folder takes a descriptor, too
  }
}
