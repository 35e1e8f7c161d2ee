import { test } from 'tap'
import {
  MAX_RETRY_MS,
  MAX_ATTEMPTS,
  advance,
  afterAttempt,
  msUntilAttempt,
  freshProgress,
} from '../../src/webhooks/progress.ts'
import type { Progress } from '../../src/webhooks/progress.ts'
import type { Receipt } from '../../src/webhooks/send.ts'

const accepted: Receipt = { verdict: 'accepted', status: 200, excerpt: '', durationMs: 1 }
const failed: Receipt = { verdict: 'failed', status: 500, error: 'answered 500', excerpt: '', durationMs: 1 }
const AT = 1_000_000

/** Runs each attempt exactly when it is due. */
function failUntilPaused(random: number): { waits: number[]; end: Progress } {
  const waits: number[] = []
  let now = AT
  let progress = freshProgress(7)
  while (progress.pause === undefined) {
    progress = afterAttempt(progress, 8, failed, { now, random })
    const wait = msUntilAttempt(progress, now)
    if (progress.pause === undefined) waits.push(wait)
    now += wait
  }
  return { waits, end: progress }
}

test('attempts continue for at least five days, with pauses that double from five seconds to six hours, and then the webhook pauses', async (t) => {
  const { waits, end } = failUntilPaused(0)
  t.strictSame(waits.slice(0, 4), [5_000, 10_000, 20_000, 40_000])
  t.equal(waits.at(-1), MAX_RETRY_MS)
  const days = waits.reduce((sum, wait) => sum + wait, 0) / 86_400_000
  t.ok(days >= 5 && days < 6, `${days} days`)
  t.match(end, {
    position: 7,
    attempts: MAX_ATTEMPTS,
    failingSince: AT,
    nextAttemptAt: undefined,
    pause: { why: 'failing' },
  })
})

test('jitter lengthens a pause by up to a quarter and shortens none', async (t) => {
  const [least, most] = [failUntilPaused(0).waits, failUntilPaused(1).waits]
  for (const [index, wait] of most.entries()) t.equal(wait, (least[index] ?? 0) * 1.25)
})

test('a success ends the failures and advances the position', async (t) => {
  const failing = afterAttempt(freshProgress(7), 8, failed, { now: AT, random: 0 })
  t.match(failing, { position: 7, attempts: 1, failingSince: AT, nextAttemptAt: AT + 5_000 })
  t.strictSame(afterAttempt(failing, 8, accepted, { now: AT + 5_000, random: 0 }), freshProgress(8))
})

test('Retry-After lengthens a pause within bounds and never shortens it', async (t) => {
  const next = (retryAfterMs: number) =>
    afterAttempt(freshProgress(7), 8, { ...failed, retryAfterMs }, { now: AT, random: 0 }).nextAttemptAt
  t.equal(next(60_000), AT + 60_000)
  t.equal(next(0), AT + 5_000)
  t.equal(next(365 * 86_400_000), AT + MAX_RETRY_MS)
})

test('a receiver that answered 410 is not tried again', async (t) => {
  t.match(afterAttempt(freshProgress(7), 8, { ...failed, verdict: 'gone' }, { now: AT, random: 0 }), {
    position: 7,
    attempts: 1,
    pause: { at: AT, why: 'gone' },
    nextAttemptAt: undefined,
  })
})

test('a clock set back by a year lengthens no pause beyond the maximum', async (t) => {
  const failing = afterAttempt(freshProgress(7), 8, failed, { now: AT + 365 * 86_400_000, random: 0 })
  t.ok(msUntilAttempt(failing, AT) <= MAX_RETRY_MS * 1.25)
  t.equal(msUntilAttempt(failing, AT + 400 * 86_400_000), 0)
})

test('a replay runs to its end and keeps the position', async (t) => {
  let progress: Progress = { ...freshProgress(9), replay: { next: 3, to: 4 } }
  progress = afterAttempt(progress, 3, accepted, { now: AT, random: 0 })
  t.match(progress, { position: 9, replay: { next: 4, to: 4 } })
  t.match(afterAttempt(progress, 4, failed, { now: AT, random: 0 }), {
    position: 9,
    replay: { next: 4, to: 4 },
    attempts: 1,
  })
  t.strictSame(afterAttempt(progress, 4, accepted, { now: AT, random: 0 }), freshProgress(9))
  t.strictSame(advance(progress, 100), freshProgress(9))
})
