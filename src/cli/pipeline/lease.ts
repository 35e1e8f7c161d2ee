import type { DepotClient } from '../../client/client.ts'
import { RequestRefused } from '../../client/errors.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { explain } from '../failure.ts'

/** A lease lasts 60 seconds, so it is kept even if two renewals fail. */
const RENEW_EVERY_MS = 20_000
/** How long the request that ends a lease may take. A process that a signal ends has little time. */
const END_MS = 5_000

/** A phase of a change, which runs once at a time. */
export interface Leased {
  /** The id of the change in the depot. */
  readonly id: string
  readonly phase: string
  readonly view?: string
}

export interface LeaseOptions {
  readonly holder: string
  /** Takes the lease from a holder that is known to be dead. */
  readonly takeover: boolean
  /** Called with a sentence when a renewal or the end of the lease fails. */
  readonly onTrouble: (sentence: string) => void
  readonly renewEveryMs?: number
}

/** A lease that is renewed until it is ended. */
export interface HeldLease {
  readonly fence: number
  /** Aborted with an {@link Exit} when another holder has taken the lease. */
  readonly lost: AbortSignal
  /** Ends the lease, so that the next holder need not wait. Never rejects. */
  end(): Promise<void>
}

/** Takes the lease of a phase, and keeps it. Throws {@link Exit} if another holder has it. */
export async function holdLease(
  depot: DepotClient,
  leased: Leased,
  options: LeaseOptions,
): Promise<HeldLease> {
  const { id, ...phase } = leased
  const { holder, takeover, onTrouble, renewEveryMs = RENEW_EVERY_MS } = options
  const { fence } = await depot
    .takeLease({ id, body: { ...phase, holder, takeover } })
    .catch((error: unknown) => {
      if (!(error instanceof RequestRefused) || error.code !== 'phase_running') throw error
      throw new Exit(
        EXIT.refused,
        `${error.message}. Nothing was done: wait for it, or give --takeover if its holder is dead`,
      )
    })
  const lost = new AbortController()
  const ended = new AbortController()
  const renew = async () => {
    try {
      await depot.renewLease({ id, body: { ...phase, fence } }, { signal: ended.signal })
    } catch (error) {
      if (ended.signal.aborted) return
      if (error instanceof RequestRefused && error.code === 'lease_lost')
        lost.abort(new Exit(EXIT.refused, `${error.message}, so this run of it was ended`))
      else onTrouble(`the lease was not renewed: ${explain(error)}`)
    }
  }
  const timer = setInterval(() => void renew(), renewEveryMs)
  return {
    fence,
    lost: lost.signal,
    async end() {
      clearInterval(timer)
      ended.abort()
      await depot
        .endLease({ id, ...phase, fence }, { signal: AbortSignal.timeout(END_MS) })
        .catch((error: unknown) => onTrouble(explain(error)))
    },
  }
}
