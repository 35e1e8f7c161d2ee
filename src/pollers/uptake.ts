import { SKETCH_BYTES, estimate, indexOf, makeSketch, rankOf } from './sketch.ts'

// How a release reaches pollers over time. A sketch says how many pollers got the release so far. Its
// registers only rise, and seldom, so the list of their rises gives the estimate of every earlier time.

/** Rises are kept to this precision. */
export const STEP_MS = 5_000
/** Estimates over time have at most this many points. */
const MAX_POINTS = 60
const RANKS = 32

/** The rise of a register, as one number: its step since the epoch, the register, and the new rank. */
export type Rise = number

/** Returns the rise that an item made at a time in epoch milliseconds. */
export function riseOf(hash: number, now: number): Rise {
  return (Math.floor(now / STEP_MS) * SKETCH_BYTES + indexOf(hash)) * RANKS + rankOf(hash)
}

/** An estimate at a time. */
export interface UptakePoint {
  /** Epoch milliseconds. */
  readonly at: number
  /** The number of different pollers that had got the release by then. */
  readonly pollers: number
}

/**
 * Estimates how many items had been added at the end of each step in which the estimate grew, from the rises
 * of one or more sketches.
 */
export function estimateUptake(rises: readonly Rise[]): UptakePoint[] {
  const sketch = makeSketch()
  const steps = [...Map.groupBy(rises, (rise) => Math.floor(rise / (SKETCH_BYTES * RANKS)))].toSorted(
    ([one], [other]) => one - other,
  )
  const every = Math.ceil(steps.length / MAX_POINTS)
  const points: UptakePoint[] = []
  for (const [index, [step, risen]] of steps.entries()) {
    for (const rise of risen) {
      const register = Math.floor(rise / RANKS) % SKETCH_BYTES
      sketch[register] = Math.max(sketch[register] ?? 0, rise % RANKS)
    }
    if ((steps.length - 1 - index) % every !== 0) continue // the last step always counts
    const pollers = estimate(sketch)
    if (pollers !== points.at(-1)?.pollers) points.push({ at: (step + 1) * STEP_MS, pollers })
  }
  return points
}
