import { closeSync, openSync, readSync } from 'node:fs'
import { answerTasks } from '../threads/pool-thread.ts'
import { lowerPriority } from '../threads/thread-priority.ts'
import { Blake2b } from './blake2b.ts'

// The other side of hash-threads.ts: runs in each of its threads. It reads files synchronously: they were
// just written, so they are in the system's cache, and reading them costs much less than hashing them.

/** One turn of a hash: the next bytes of a file, or the next chunk. */
export interface HashTask {
  /** The state after the last turn, or `undefined` in the first. */
  readonly state: Uint8Array | undefined
  readonly bytes: Uint8Array | { readonly path: string; readonly start: number; readonly end: number }
  readonly isLast: boolean
}

/** The state for the next turn, or the digest after the last. */
export type HashResult = { readonly state: Uint8Array } | { readonly digest: string }

const WINDOW_BYTES = 256 * 1024
const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)

lowerPriority()
answerTasks(({ state, bytes, isLast }: HashTask): HashResult => {
  const hash = new Blake2b(state)
  if (bytes instanceof Uint8Array) hash.update(bytes)
  else updateFrom(hash, bytes)
  return isLast ? { digest: hash.digest() } : { state: hash.save() }
})

function updateFrom(hash: Blake2b, { path, start, end }: { path: string; start: number; end: number }): void {
  const file = openSync(path, 'r')
  try {
    for (let at = start; at < end;) {
      const bytes = readSync(file, window, 0, Math.min(WINDOW_BYTES, end - at), at)
      if (bytes === 0) throw new Error(`${path} ends before byte ${end}`)
      hash.update(window.subarray(0, bytes))
      at += bytes
    }
  } finally {
    closeSync(file)
  }
}
