/**
 * The wall clock of a command. Durations use it; the order of entries uses commit times, which never go back.
 */
export interface Clock {
  /** Epoch milliseconds. */
  readonly now: number
  /**
   * When the clock fell more than {@link MAX_CLOCK_SKEW_MS} behind the last commit time; `undefined` if it
   * has not.
   */
  readonly setBackAt: number | undefined
}

/**
 * How far commit times may be ahead of the clock before this is recorded. Commits in the same millisecond add
 * one each.
 */
export const MAX_CLOCK_SKEW_MS = 60_000

/**
 * Returns the time from which to measure a duration that began at `stamp`. This is `stamp`, unless it is in
 * the future: then it was recorded while the clock ran ahead, and the duration counts from the moment when
 * the clock was set back.
 */
export function durationStart(stamp: number, { now, setBackAt = now }: Clock): number {
  return stamp <= now ? stamp : Math.min(setBackAt, now)
}
