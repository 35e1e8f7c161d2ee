import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import { DepotError } from '../errors.ts'

// The system's xz, where it is there: it decodes blocks side by side, and `hab` packs in blocks. It takes no less than its start costs, so
// that it is for what is left of a long archive. What it is given was walked before (xz.ts): it cannot give more than that said.

/** The first that decodes with several threads, and can be told how much memory they may take; beyond that it uses one. */
const OLDEST = [5, 4]
const ARGUMENTS = [
  '--decompress',
  '--stdout',
  '--quiet',
  '--threads=0',
  `--memlimit-mt-decompress=${256 * 1024 * 1024}`,
]
const PROGRAM = 'xz'

/** Whether the system has one that is new enough. */
export function hasXzProgram(): boolean {
  try {
    const [, major, minor] =
      /liblzma (\d+)\.(\d+)/.exec(
        execFileSync(PROGRAM, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      ) ?? []
    return (
      Number(major) > (OLDEST[0] ?? 0) || (Number(major) === OLDEST[0] && Number(minor) >= (OLDEST[1] ?? 0))
    )
  } catch {
    return false
  }
}

/**
 * As {@link decodeXz}, of the file from `start` on, and of what comes out all but the first `skipped` bytes. The program is gone when this
 * is settled; should this thread end before, it ends at its next write.
 */
export async function decodeByProgram(
  path: string,
  { start, skipped }: { start: number; skipped: number },
  output: (bytes: Uint8Array) => 'more' | 'enough',
): Promise<void> {
  const fd = openAt(path, start)
  const program = spawn(PROGRAM, ARGUMENTS, { stdio: [fd, 'pipe', 'ignore'] })
  closeSync(fd)
  const ended = once(program, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  ended.catch(() => undefined) // where it did not start; who waits hears of it
  let isEnough = false
  let isRead = false
  try {
    let left = skipped
    for await (const piece of program.stdout as AsyncIterable<Buffer>) {
      const wanted = piece.subarray(Math.min(left, piece.length))
      left -= piece.length - wanted.length
      isEnough = wanted.length > 0 && output(wanted) === 'enough'
      if (isEnough) break
    }
    isRead = !isEnough
  } finally {
    if (!isRead) program.kill('SIGKILL') // one that said everything ends by itself, and says how
    await ended.catch(() => undefined)
  }
  const [code, signal] = await ended
  if (isEnough || code === 0) return
  if (code === null) throw new Error(`xz was ended by ${signal}`)
  throw new DepotError('hart_malformed', 'its compressed archive is damaged in its data')
}

/** The position of the file goes with the descriptor. */
function openAt(path: string, start: number): number {
  const fd = openSync(path, 'r')
  const passed = Buffer.alloc(Math.min(start, 64 * 1024))
  for (let left = start; left > 0;)
    left -= readSync(fd, passed, 0, Math.min(left, passed.length), null) || left
  return fd
}
