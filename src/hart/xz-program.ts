import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import { DepotError } from '../errors.ts'

// Decodes with the system's `xz`, if there is one. It decodes blocks in parallel, and `hab` packs in blocks.
// Starting a program takes time, so it is used only for the rest of a long archive. Its input was accepted by
// walkXz, so it cannot produce more than walkXz said.

/** The first version that decodes with several threads, and with one if they would exceed a memory limit. */
const OLDEST_VERSION = [5, 4]
const ARGUMENTS = [
  '--decompress',
  '--stdout',
  '--quiet',
  '--threads=0',
  `--memlimit-mt-decompress=${256 * 1024 * 1024}`,
]
const PROGRAM = 'xz'

/** Reports whether the system has an `xz` that is new enough. */
export function hasXzProgram(): boolean {
  try {
    const [, major, minor] =
      /liblzma (\d+)\.(\d+)/.exec(
        execFileSync(PROGRAM, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      ) ?? []
    return (
      Number(major) > (OLDEST_VERSION[0] ?? 0) ||
      (Number(major) === OLDEST_VERSION[0] && Number(minor) >= (OLDEST_VERSION[1] ?? 0))
    )
  } catch {
    return false
  }
}

/**
 * Decodes the xz file from byte `start` of a file on, like {@link decodeXz}. Passes the output to `output`,
 * without its first `skipped` bytes. The program has ended when the promise settles. If this thread ends
 * earlier, the program ends at its next write. Throws like {@link decodeXz}, and another error if the program
 * cannot run.
 */
export async function decodeByProgram(
  path: string,
  { start, skipped }: { start: number; skipped: number },
  output: (bytes: Uint8Array) => 'more' | 'enough',
): Promise<void> {
  const fd = openSync(path, 'r')
  let program
  try {
    moveTo(fd, start)
    program = spawn(PROGRAM, ARGUMENTS, { stdio: [fd, 'pipe', 'ignore'] })
  } finally {
    closeSync(fd)
  }
  const ended = once(program, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  ended.catch(() => undefined) // rejects if it did not start; the await below reports that
  let isEnough = false
  let isRead = false
  try {
    let left = skipped
    for await (const chunk of program.stdout as AsyncIterable<Buffer>) {
      const wanted = chunk.subarray(Math.min(left, chunk.length))
      left -= chunk.length - wanted.length
      isEnough = wanted.length > 0 && output(wanted) === 'enough'
      if (isEnough) break
    }
    isRead = !isEnough
  } finally {
    if (!isRead) program.kill('SIGKILL') // otherwise it ends by itself, with a code
    await ended.catch(() => undefined)
  }
  const [code, signal] = await ended
  if (isEnough || code === 0) return
  if (code === null) throw new Error(`xz was ended by ${signal}`)
  throw new DepotError('hart_malformed', 'its compressed archive is damaged in its data')
}

/** Moves the position of a new descriptor to `start`. A program that inherits it reads from there. */
function moveTo(fd: number, start: number): void {
  const passed = Buffer.alloc(Math.min(start, 64 * 1024))
  for (let left = start; left > 0;)
    left -= readSync(fd, passed, 0, Math.min(left, passed.length), null) || left
}
