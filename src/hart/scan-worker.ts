import { parentPort } from 'node:worker_threads'
import { DepotError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { readArchive } from './archive.ts'
import type { HartMetadata } from './metadata.ts'

// The other side of scan.ts. One question is answered at a time. On the way between threads errors lose their class, so a refusal
// travels as what it is made of, and properties such as the system's `code`, so those travel beside.

export interface ScanQuestion {
  readonly path: string
  readonly payloadOffset: number
}

export type ScanAnswer =
  | { readonly kind: 'metadata'; readonly metadata: HartMetadata }
  | { readonly kind: 'refusal'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'fault'; readonly error: unknown; readonly properties: object }

parentPort?.on('message', (question: ScanQuestion) => {
  void answer(question).then(reply)
})

async function answer(question: ScanQuestion): Promise<ScanAnswer> {
  try {
    return { kind: 'metadata', metadata: await readArchive(question.path, question.payloadOffset) }
  } catch (error) {
    if (error instanceof DepotError) return { kind: 'refusal', code: error.code, message: error.message }
    return { kind: 'fault', error, properties: { ...(error as object) } }
  }
}

function reply(result: ScanAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(result)
}
