import { givenPath } from '../given-path.ts'

/** A stream that a command writes to. */
export interface Out {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** What a command uses of its process. Tests pass their own, and run commands inside the test's process. */
export interface Io {
  readonly stdin: NodeJS.ReadStream | NodeJS.ReadableStream
  /** Results. */
  readonly stdout: Out
  /** Progress, questions, notes and errors. */
  readonly stderr: Out
  readonly env: Readonly<Record<string, string | undefined>>
  /** Epoch milliseconds. */
  now(): number
  /** Waits. Rejects with the signal's reason. */
  pause(ms: number, signal?: AbortSignal): Promise<unknown>
  /** Aborted by SIGINT and SIGTERM. Commands that run long end cleanly. */
  readonly signal: AbortSignal
}

const MIN_COLUMNS = 60
const USUAL_COLUMNS = 80

/**
 * Returns how many columns a table on this stream may have: any number if it is no terminal, so that other
 * programs get everything.
 */
export function widthOf({ isTTY, columns }: Out): number {
  return isTTY === true ? Math.max(columns ?? USUAL_COLUMNS, MIN_COLUMNS) : Number.POSITIVE_INFINITY
}

/** Returns how many columns help may have on this stream. */
export function helpWidthOf({ columns = USUAL_COLUMNS }: Out): number {
  return Math.max(columns, MIN_COLUMNS)
}

/** Reports whether there is a person at a terminal, who can be asked. */
export function isInteractive({ stdin, stderr }: Io): boolean {
  return 'isTTY' in stdin && stdin.isTTY && stderr.isTTY === true
}

/** Reports whether to write colours to a stream (no-color.org). */
export function usesColour({ env }: Io, { isTTY }: Out): boolean {
  return isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

/** Resolves a path of the command line, relative to the folder the person stands in. */
export function pathOf({ env }: Pick<Io, 'env'>, path: string): string {
  return givenPath(path, env)
}
