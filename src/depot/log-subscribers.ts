import type { Logger } from 'pino'
import { MAX_CLOCK_SKEW_MS } from '../clock.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { viewOf } from '../ledger/entry.ts'
import type { Subscriber } from '../ledger/follower.ts'

/** Logs every override. */
export function logOverrides(log: Logger): Subscriber {
  return {
    onCommit(entries) {
      for (const { sequence, event } of entries) {
        if (!('override' in event) || event.override === undefined) continue
        const revision = event.kind === 'promotion' ? { revision: event.revision } : {}
        log.warn(
          { sequence, view: viewOf(event), ...revision, ...event.override },
          'gates of a view were overridden',
        )
      }
    },
  }
}

/** Logs when a quota begins to be nearly used up. */
export function logQuotas(log: Logger): Subscriber {
  return {
    onCommit(entries) {
      for (const { sequence, event } of entries) {
        if (event.kind !== 'quota-neared') continue
        const { origin, usedBytes, quotaBytes } = event
        log.warn({ sequence, origin, usedBytes, quotaBytes }, 'a quota is nearly used up')
      }
    },
  }
}

/**
 * Logs when the clock is far behind the last entry of the ledger, and when it has caught up. Compares the
 * clock with the entry at `head` now, and with the last entry of each commit.
 */
export function logClock({ log, now }: { log: Logger; now: () => number }, head: LedgerHead): Subscriber {
  let isAhead = false
  const compare = (at: number) => {
    const aheadMs = at - now()
    const wasAhead = isAhead
    isAhead = aheadMs > MAX_CLOCK_SKEW_MS
    if (isAhead && !wasAhead)
      log.warn(
        { ahead_s: Math.round(aheadMs / 1_000) },
        'commit times are ahead of the clock, which was set back or is wrong: entries keep their order, and durations are measured by the clock',
      )
    if (wasAhead && !isAhead) log.info('the clock has caught up with commit times')
  }
  compare(head.at)
  return {
    onCommit(entries) {
      const last = entries.at(-1)
      if (last !== undefined) compare(last.at)
    },
  }
}
