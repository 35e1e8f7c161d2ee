import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import { lowerPriority } from '../threads/thread-priority.ts'
import { Blake2b } from './blake2b.ts'

// The thread that hash-threads.ts starts. The bytes were just written, so they are in the system's cache, and reading them costs much less
// than hashing them.

export type HashStep =
  | {
      readonly id: number
      readonly path: string
      readonly from: number
      /** The end of the bytes that have been written. */
      readonly upTo: number
      readonly next: 'go on' | 'finish'
    }
  | { readonly id: number; readonly chunk: Uint8Array; readonly next: 'go on' | 'finish' }
  | { readonly id: number; readonly next: 'forget' }

/** The answer to each step except `forget`. The digest is present after `finish`. */
export type HashAnswer =
  | { readonly id: number; readonly digest: string | undefined }
  | { readonly id: number; readonly error: PackedError }

const WINDOW_BYTES = 256 * 1024
const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
const files = new Map<number, { fd: number | undefined; at: number; hash: Blake2b }>()

lowerPriority()
parentPort?.on('message', (step: HashStep) => {
  try {
    const digest = take(step)
    if (step.next !== 'forget') tell({ id: step.id, digest })
  } catch (error) {
    forget(step.id)
    tell({ id: step.id, error: packError(error) })
  }
})

function take(step: HashStep): string | undefined {
  const { id, next } = step
  if (next === 'forget') {
    forget(id)
    return undefined
  }
  const file =
    files.get(id) ??
    ('path' in step
      ? { fd: openSync(step.path, 'r'), at: step.from, hash: new Blake2b() }
      : { fd: undefined, at: 0, hash: new Blake2b() })
  files.set(id, file)
  if ('chunk' in step) file.hash.update(step.chunk)
  else {
    while (file.fd !== undefined && file.at < step.upTo) {
      const bytes = readSync(file.fd, window, 0, Math.min(WINDOW_BYTES, step.upTo - file.at), file.at)
      if (bytes === 0) throw new Error(`${step.path} ends before byte ${step.upTo}`)
      file.hash.update(window.subarray(0, bytes))
      file.at += bytes
    }
  }
  if (next === 'go on') return undefined
  forget(id)
  return file.hash.digest()
}

function forget(id: number): void {
  const file = files.get(id)
  files.delete(id)
  if (file?.fd !== undefined) closeSync(file.fd)
}

function tell(answer: HashAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(answer)
}
