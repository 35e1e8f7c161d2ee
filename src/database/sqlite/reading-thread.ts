import { workerData } from 'node:worker_threads'
import { answerTasks } from '../../threads/pool-thread.ts'
import { connect, withStatementCache } from './connection.ts'

// The other side of reading-threads.ts: runs in each reading thread, one query at a time.

export interface Query {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

const connection = connect((workerData as { file: string }).file, true)
const statements = withStatementCache(connection)

answerTasks(
  ({ sql, parameters }: Query) => statements.prepare(sql).all(parameters),
  () => connection.close(),
)
