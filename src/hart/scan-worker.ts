import { parentPort } from 'node:worker_threads'
import { packError } from '../threads/thread-error.ts'
import type { PackedError } from '../threads/thread-error.ts'
import { stepBehind } from '../threads/thread-priority.ts'
import { readArchive } from './archive.ts'
import type { HartMetadata } from './metadata.ts'
import { hasXzProgram } from './xz-program.ts'

// The other side of scan.ts. One question is answered at a time.

export interface ScanQuestion {
  readonly path: string
  readonly payloadOffset: number
}

export type ScanAnswer = { readonly metadata: HartMetadata } | { readonly error: PackedError }

stepBehind()
const withProgram = hasXzProgram()
parentPort?.on('message', (question: ScanQuestion) => {
  void answer(question).then(reply)
})

async function answer(question: ScanQuestion): Promise<ScanAnswer> {
  try {
    return { metadata: await readArchive(question.path, question.payloadOffset, { withProgram }) }
  } catch (error) {
    return { error: packError(error) }
  }
}

function reply(result: ScanAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(result)
}
