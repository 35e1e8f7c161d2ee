import { DepotError } from '../errors.ts'
import { RemoteError } from './remote-depot.ts'
import type { RemoteDepot } from './remote-depot.ts'

/** Receives the progress and the failures of an import. */
export interface Watcher {
  /** Starts a new step, with the number of its items if known. */
  begin(what: string, total?: number): void
  /** Counts one more item, successful or not. */
  advance(): void
  fail(what: string, why: string): void
  /** Reports something unchanged that the user should know. */
  note(text: string): void
}

/** The two sides of an import. */
export interface Ends {
  readonly source: RemoteDepot
  readonly destination: RemoteDepot
  readonly watcher: Watcher
}

/** Any two sides. */
interface Sides {
  readonly source: Pick<RemoteDepot, 'answers'>
  readonly destination: Pick<RemoteDepot, 'answers'>
  readonly watcher: Watcher
}

/**
 * Runs `act` for one item. If the item is refused or broken, reports it and returns `undefined`, and the import goes on.
 * Throws failures that would also affect later items: an unreachable or full depot, an invalid token, or a bug.
 */
export async function attempt<T>(ends: Sides, what: string, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (!(await isOfOneThing(ends, error))) throw error
    ends.watcher.fail(what, error instanceof Error ? error.message : String(error))
    return undefined
  }
}

async function isOfOneThing({ source, destination }: Sides, error: unknown): Promise<boolean> {
  if (error instanceof DepotError) return true
  if (!(error instanceof RemoteError)) return false
  switch (error.failure) {
    case 'refused':
      return true
    case 'unreachable': // a request that kills its connection each time must not keep all others from being made
      return (await Promise.all([source.answers(), destination.answers()])).every(Boolean)
    case 'unauthenticated':
    case 'full':
      return false
    default:
      return error.failure satisfies never
  }
}
