import { parentPort, workerData } from 'node:worker_threads'
import { packError } from '../../threads/thread-error.ts'
import type { PackedError } from '../../threads/thread-error.ts'
import { connect, keepingStatements } from './connection.ts'

// The other side of reading-threads.ts. Answers one query at a time.

export interface Query {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export type QueryAnswer = { readonly rows: unknown[] } | { readonly error: PackedError }

const connection = connect((workerData as { file: string }).file, true)
const statements = keepingStatements(connection)

parentPort?.on('message', (query: Query | 'close') => {
  if (query === 'close') {
    connection.close()
    parentPort?.close()
    return
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  parentPort?.postMessage(answer(query))
})

function answer({ sql, parameters }: Query): QueryAnswer {
  try {
    return { rows: statements.prepare(sql).all(parameters) }
  } catch (error) {
    return { error: packError(error) }
  }
}
