import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import { stepBehind } from '../threads/thread-priority.ts'
import { Blake2b } from './blake2b.ts'

// The thread of hash-threads.ts. The bytes were just written, so they are in the system's cache: reading them costs little beside the hash.

export interface HashStep {
  readonly id: number
  readonly path: string
  readonly from: number
  /** The end of what has been written. */
  readonly upTo: number
  readonly next: 'go on' | 'finish' | 'forget'
}

/** The answer to each step but `forget`. The digest is present after `finish`. */
export type HashAnswer =
  | { readonly id: number; readonly digest: string | undefined }
  | { readonly id: number; readonly error: PackedError }

const WINDOW_BYTES = 256 * 1024
const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
const files = new Map<number, { fd: number; at: number; hash: Blake2b }>()

stepBehind()
parentPort?.on('message', (step: HashStep) => {
  try {
    const digest = take(step)
    if (step.next !== 'forget') tell({ id: step.id, digest })
  } catch (error) {
    forget(step.id)
    tell({ id: step.id, error: packError(error) })
  }
})

function take({ id, path, from, upTo, next }: HashStep): string | undefined {
  if (next === 'forget') {
    forget(id)
    return undefined
  }
  const file = files.get(id) ?? { fd: openSync(path, 'r'), at: from, hash: new Blake2b() }
  files.set(id, file)
  while (file.at < upTo) {
    const bytes = readSync(file.fd, window, 0, Math.min(WINDOW_BYTES, upTo - file.at), file.at)
    if (bytes === 0) throw new Error(`${path} ends before byte ${upTo}`)
    file.hash.update(window.subarray(0, bytes))
    file.at += bytes
  }
  if (next === 'go on') return undefined
  forget(id)
  return file.hash.digest()
}

function forget(id: number): void {
  const file = files.get(id)
  files.delete(id)
  if (file !== undefined) closeSync(file.fd)
}

function tell(answer: HashAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(answer)
}
