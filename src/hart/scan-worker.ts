import { answerTasks } from '../threads/pool-thread.ts'
import { lowerPriority } from '../threads/thread-priority.ts'
import { readArchive } from './archive.ts'
import { hasXzProgram } from './xz-program.ts'

// The other side of scan.ts: runs in each of its threads, and scans one package at a time.

export interface ScanTask {
  readonly path: string
  readonly payloadOffset: number
}

lowerPriority()
const withProgram = hasXzProgram()
answerTasks(({ path, payloadOffset }: ScanTask) => readArchive(path, payloadOffset, { withProgram }))
