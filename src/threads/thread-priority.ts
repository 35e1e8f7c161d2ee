import { setPriority } from 'node:os'

const BEHIND = 10

/**
 * Puts the thread that calls it behind those that answer requests, where there are not processors enough for all. Only Linux tells threads
 * apart here; elsewhere it would be the whole process. It cannot be taken back.
 */
export function stepBehind(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, BEHIND)
  } catch {
    // a container may forbid it: then all are alike
  }
}
