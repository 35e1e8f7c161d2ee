import { DepotError } from '../errors.ts'
import { RemoteError } from './remote-error.ts'
import type { RemoteDepot } from './remote-depot.ts'

/** Receives the progress and the failures of an import or a pull. `what` names a step or an item. */
export interface Reporter {
  /** Starts a new step, with the number of its items if known. */
  begin(what: string, total?: number): void
  /** Counts one more item, successful or not. */
  advance(): void
  fail(what: string, why: string): void
  /** Reports something that the user should know but that is not a failure. */
  note(text: string): void
}

/** The two depots of an import, and the receiver of its progress. */
export interface Transfer {
  readonly source: RemoteDepot
  readonly destination: RemoteDepot
  readonly reporter: Reporter
}

/** What {@link attempt} needs of the two sides of an import, a pull or a save. */
interface Sides {
  readonly source: Pick<RemoteDepot, 'isReachable'>
  readonly destination: Pick<RemoteDepot, 'isReachable'>
  readonly reporter: Reporter
}

/**
 * Runs `act` for one item. If the item is refused or broken, reports it and returns `undefined`, so that the
 * caller can continue with the next one. Throws failures that would also affect later items: an unreachable
 * or full depot, an invalid token, or a bug.
 */
export async function attempt<T>(
  transfer: Sides,
  what: string,
  act: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (!(await affectsOneItem(transfer, error))) throw error
    transfer.reporter.fail(what, error instanceof Error ? error.message : String(error))
    return undefined
  }
}

async function affectsOneItem({ source, destination }: Sides, error: unknown): Promise<boolean> {
  if (error instanceof DepotError) return true
  if (!(error instanceof RemoteError)) return false
  switch (error.failure) {
    case 'refused':
      return true
    case 'unreachable': // one request that always breaks its connection must not end everything
      return (await Promise.all([source.isReachable(), destination.isReachable()])).every(Boolean)
    case 'unauthenticated':
    case 'full':
      return false
    default:
      return error.failure satisfies never
  }
}
