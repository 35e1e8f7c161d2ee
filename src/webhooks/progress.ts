import type { Receipt } from './send.ts'

/** How far a webhook is, and how it fares. Sequences are the ledger's, times epoch milliseconds. */
export interface Progress {
  /** The last entry that is done with: accepted, or not one of the filter's. */
  readonly position: number
  /** What is sent again before what comes after `position`: from `next` to `to`, which is not beyond it. */
  readonly replay: { readonly next: number; readonly to: number } | undefined
  /** Of the entry that is next, without success. */
  readonly attempts: number
  readonly nextAttemptAt: number | undefined
  readonly failingSince: number | undefined
  readonly pause: { readonly at: number; readonly why: PauseReason } | undefined
}

/** An administrator asked for it; or too many attempts failed; or the receiver said that it is gone for good. */
export type PauseReason = 'asked' | 'failing' | 'gone'

/** In a word, for lists and figures. */
export const STATES = ['delivering', 'failing', 'paused'] as const
export type State = (typeof STATES)[number]

const FIRST_RETRY_MS = 5_000
export const LONGEST_RETRY_MS = 6 * 3_600_000
const JITTER = 0.25
/**
 * Thirteen waits that double from 5 s take 11 h, and twenty of 6 h five days more. Attempts are counted, not days: neither a clock that
 * jumps nor a depot that is down for a week takes anything of a receiver's time.
 */
export const MOST_ATTEMPTS = 34

/** As far as `position`, with nothing in the way. */
export function freshProgress(position: number): Progress {
  return {
    position,
    replay: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
    failingSince: undefined,
    pause: undefined,
  }
}

/** After everything up to `sequence` is done with, of the replay where one is under way. */
export function advance(progress: Progress, sequence: number): Progress {
  const { position, replay } = progress
  if (replay === undefined) return freshProgress(Math.max(position, sequence))
  return {
    ...freshProgress(position),
    replay: sequence >= replay.to ? undefined : { next: sequence + 1, to: replay.to },
  }
}

/** After an attempt to deliver the entry of that sequence. `random` is from 0 to 1. */
export function afterAttempt(
  progress: Progress,
  sequence: number,
  receipt: Receipt,
  { now, random }: { now: number; random: number },
): Progress {
  if (receipt.verdict === 'accepted') return advance(progress, sequence)
  const attempts = progress.attempts + 1
  const failed = { ...progress, attempts, failingSince: progress.failingSince ?? now }
  if (receipt.verdict === 'gone')
    return { ...failed, nextAttemptAt: undefined, pause: { at: now, why: 'gone' } }
  if (attempts >= MOST_ATTEMPTS)
    return { ...failed, nextAttemptAt: undefined, pause: { at: now, why: 'failing' } }
  return { ...failed, nextAttemptAt: now + retryDelay(attempts, random, receipt.retryAfterMs) }
}

/** Milliseconds to wait after so many failures: never less than the schedule, and no more than its longest for a receiver's wish. */
function retryDelay(attempts: number, random: number, wishedMs = 0): number {
  const scheduled = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LONGEST_RETRY_MS)
  return Math.max(Math.round(scheduled * (1 + JITTER * random)), Math.min(wishedMs, LONGEST_RETRY_MS))
}

/** Milliseconds until the next attempt is due; bounded, because a clock may have been set back since. */
export function dueIn({ nextAttemptAt }: Progress, now: number): number {
  return nextAttemptAt === undefined
    ? 0
    : Math.min(Math.max(nextAttemptAt - now, 0), LONGEST_RETRY_MS * (1 + JITTER))
}

export function stateOf({ pause, attempts }: Progress): State {
  return pause !== undefined ? 'paused' : attempts > 0 ? 'failing' : 'delivering'
}
