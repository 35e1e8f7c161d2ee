import { setPriority } from 'node:os'

const NICE = 10

/**
 * Lowers the priority of the calling thread below that of the threads that answer requests, for good. Does
 * nothing outside of Linux, where this would affect the whole process.
 */
export function lowerPriority(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, NICE)
  } catch {
    // a container may forbid it
  }
}
