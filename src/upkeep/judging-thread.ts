import { workerData } from 'node:worker_threads'
import type { DatabaseLocation } from '../config/database.ts'
import { openEngine } from '../database/engine.ts'
import { answerTasks } from '../threads/pool-thread.ts'
import { lowerPriority } from '../threads/thread-priority.ts'
import { judgePage } from './judge-page.ts'
import type { JudgingTask } from './judging.ts'

// The other side of judging.ts: runs in its thread.

lowerPriority()
const engine = await openEngine(workerData as DatabaseLocation)
const database = await engine.openReader()

answerTasks(
  ({ part, now, onlySettled }: JudgingTask) => judgePage(database.reader, part, { now, onlySettled }),
  () => void database.close(),
)
