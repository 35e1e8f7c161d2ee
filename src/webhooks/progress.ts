import type { Receipt } from './send.ts'

/** The progress of a webhook. Sequences are those of the ledger, times are epoch milliseconds. */
export interface Progress {
  /** The last processed entry: accepted by the receiver, or outside the filter. */
  readonly position: number
  /**
   * Entries to send again before continuing after `position`: `next` through `to`, which is at most
   * `position`.
   */
  readonly replay: { readonly next: number; readonly to: number } | undefined
  /** The number of failed attempts at the next entry. */
  readonly attempts: number
  /** `undefined` if the next attempt is due, or if deliveries are paused. */
  readonly nextAttemptAt: number | undefined
  readonly failingSince: number | undefined
  readonly pause: { readonly at: number; readonly why: PauseReason } | undefined
}

export type PauseReason =
  | 'asked' //   an administrator paused the webhook
  | 'failing' // too many attempts failed
  | 'gone' //    the receiver answered that it is gone

/** The states of a webhook in lists and metrics. It is `failing` until an attempt succeeds. */
export const WEBHOOK_STATES = ['delivering', 'failing', 'paused'] as const
export type WebhookState = (typeof WEBHOOK_STATES)[number]

/** The wait after the first failure. It doubles with each further one, up to {@link MAX_RETRY_MS}. */
const FIRST_RETRY_MS = 5_000
export const MAX_RETRY_MS = 6 * 3_600_000
/** Up to this part of a wait is added at random, so that not all webhooks try again together. */
const JITTER = 0.25
/**
 * Thirteen waits that double from 5 s take 11 h; twenty more of 6 h take five days. Counting attempts instead
 * of days gives a receiver its full time even if the clock jumps or the depot is down for a week.
 */
export const MAX_ATTEMPTS = 34

/** Returns the progress at `position`, without failures. */
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

/** Returns the progress once all entries through `sequence` are processed, in the replay if there is one. */
export function advance(progress: Progress, sequence: number): Progress {
  const { position, replay } = progress
  if (replay === undefined) return freshProgress(Math.max(position, sequence))
  return {
    ...freshProgress(position),
    replay: sequence >= replay.to ? undefined : { next: sequence + 1, to: replay.to },
  }
}

/** Returns the progress after an attempt to deliver the entry `sequence`. `random` is from 0 to 1. */
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
  if (attempts >= MAX_ATTEMPTS)
    return { ...failed, nextAttemptAt: undefined, pause: { at: now, why: 'failing' } }
  return { ...failed, nextAttemptAt: now + retryDelay(attempts, random, receipt.retryAfterMs) }
}

/**
 * Milliseconds to wait after a number of failures. A receiver's `Retry-After` may extend the wait up to the
 * longest one.
 */
function retryDelay(attempts: number, random: number, requestedMs = 0): number {
  const scheduled = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), MAX_RETRY_MS)
  return Math.max(Math.round(scheduled * (1 + JITTER * random)), Math.min(requestedMs, MAX_RETRY_MS))
}

/**
 * Returns the milliseconds until the next attempt. They are limited, because the clock may have been set
 * back.
 */
export function msUntilAttempt({ nextAttemptAt }: Progress, now: number): number {
  return nextAttemptAt === undefined
    ? 0
    : Math.min(Math.max(nextAttemptAt - now, 0), MAX_RETRY_MS * (1 + JITTER))
}

export function stateOf({ pause, attempts }: Progress): WebhookState {
  return pause !== undefined ? 'paused' : attempts > 0 ? 'failing' : 'delivering'
}
