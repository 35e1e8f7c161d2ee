import { setPriority } from 'node:os'

const BEHIND = 10

/**
 * Lowers the priority of the calling thread below the threads that answer requests. Works only on Linux; elsewhere it
 * would affect the whole process. It cannot be undone.
 */
export function stepBehind(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, BEHIND)
  } catch {
    // a container may forbid it
  }
}
