import { DepotError } from '../errors.ts'
import { RemoteError } from './remote-depot.ts'
import type { RemoteDepot } from './remote-depot.ts'

/** Who is told how far an import is, and what goes wrong on its way. */
export interface Watcher {
  /** What is done from now on, and to how many, where that is known. */
  begin(what: string, total?: number): void
  /** One more is done, whether it went well or not. */
  advance(): void
  fail(what: string, why: string): void
  /** Something that is as it was, and that whoever imports should know. */
  note(text: string): void
}

/** The two sides of an import. */
export interface Ends {
  readonly source: RemoteDepot
  readonly destination: RemoteDepot
  readonly watcher: Watcher
}

/** Two sides, whatever they are. */
interface Sides {
  readonly source: Pick<RemoteDepot, 'answers'>
  readonly destination: Pick<RemoteDepot, 'answers'>
  readonly watcher: Watcher
}

/**
 * Does what is about one thing. Where that is refused or broken, it is told of, and the import goes on without it: `undefined`. Throws
 * what would befall the next thing too: a depot that is gone or full, a token that is none, a fault of our own.
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
