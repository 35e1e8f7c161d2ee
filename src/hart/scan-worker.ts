import { answerTasks } from '../threads/pool-thread.ts'
import { stepBehind } from '../threads/thread-priority.ts'
import { readArchive } from './archive.ts'
import { hasXzProgram } from './xz-program.ts'

// The thread that scan.ts starts. It scans one package at a time.

export interface ScanQuestion {
  readonly path: string
  readonly payloadOffset: number
}

stepBehind()
const withProgram = hasXzProgram()
answerTasks(({ path, payloadOffset }: ScanQuestion) => readArchive(path, payloadOffset, { withProgram }))
