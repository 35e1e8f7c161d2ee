/** The wall clock when a command ran. Order is by commit times, which never go back; durations are by this. */
export interface Clock {
  /** Epoch milliseconds. */
  readonly now: number
  /** When the clock was first seen to be behind the last commit time, by more than {@link MOST_AHEAD_MS}; `undefined` while it is not. */
  readonly setBackAt: number | undefined
}

/** How far commit times may be ahead of the clock before that is noted. Commits of the same millisecond take one each. */
export const MOST_AHEAD_MS = 60_000

/**
 * The time from which something lasts that the clock stamped. A stamp of the future was made while the clock ran ahead; it counts
 * from when the clock was set back.
 */
export function lastsFrom(stamp: number, { now, setBackAt = now }: Clock): number {
  return stamp <= now ? stamp : Math.min(setBackAt, now)
}
