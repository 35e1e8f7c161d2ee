import type { Db } from '../database/database.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'

// Long reads of commands. In the transaction a command's reads have a short time. One that takes longer is put off: its handler runs on
// a snapshot of the database, turn by turn with other commands, until the first thing that it would write. Then it runs once more in a
// transaction, and takes what was read, unless something that this depends on has changed since.

/** What the result of a read depends on, besides releases, their visibility, and roles in origins. */
export interface Basis {
  /** Names of views that must not have changed at all. */
  readonly views: readonly string[]
  /** Names of views that nothing must have left. */
  readonly keeping?: readonly string[]
}

/** The read took too long for a transaction, or what was read ahead no longer holds. */
export class Postponed extends Error {}

/** What a command read on a snapshot, by the name of the read, and what was committed since. */
export class ReadAhead {
  readonly #reads = new Map<string, { readonly basis: Basis; readonly value: unknown }>()
  readonly #events: LedgerEvent[] = []

  /** Of every commit since the snapshot; one from before it does no harm. */
  onCommit(entries: readonly LedgerEntry[]): void {
    for (const { event } of entries) this.#events.push(event)
  }

  keep(name: string, basis: Basis, value: unknown): void {
    this.#reads.set(name, { basis, value })
  }

  /** Throws {@link Postponed} where it no longer holds; `undefined` for what was not read. */
  take(name: string): { readonly value: unknown } | undefined {
    const read = this.#reads.get(name)
    if (read !== undefined && this.#events.some((event) => invalidates(event, read.basis)))
      throw new Postponed(`${name} was read and has changed`)
    return read
  }
}

type Invalidates = 'always' | 'never' | 'its view'

/**
 * What events mean for what was read before them. A release that is published since is as one that is published after the change; so is
 * everything that only adds.
 */
const INVALIDATES: Readonly<Record<LedgerEvent['kind'], Invalidates>> = {
  'account-added': 'never',
  'token-issued': 'never',
  'token-revoked': 'never', // the caller's own token is looked at in the transaction
  'profile-changed': 'never',
  'origin-created': 'never',
  'origin-changed': 'never', // of packages to come
  'origin-transferred': 'always',
  'origin-deleted': 'always',
  'member-set': 'always',
  'member-invited': 'never',
  'invitation-ended': 'always',
  'key-added': 'never',
  'secret-added': 'never',
  'secret-removed': 'never',
  'integration-added': 'never',
  'integration-removed': 'never',
  'package-settings-set': 'never', // of releases to come
  'release-published': 'never',
  'release-deleted': 'always',
  'visibility-set': 'always',
  'view-created': 'its view',
  'view-closed': 'its view',
  'ungoverned-set': 'never',
  'gates-set': 'its view',
  'view-frozen': 'its view',
  'view-thawed': 'its view',
  'views-frozen': 'always',
  'views-thawed': 'always',
  'preview-made': 'never',
  'proposal-made': 'never',
  'proposal-ended': 'never',
  'channel-declared': 'never',
  'channel-removed': 'always',
  'depot-key-made': 'never',
  'trusted-key-added': 'never',
  'trusted-key-removed': 'never',
  'webhook-added': 'never',
  'webhook-changed': 'never',
  'webhook-removed': 'never',
  'depot-restored': 'always',
  promotion: 'its view',
}

function invalidates(event: LedgerEvent, { views, keeping = [] }: Basis): boolean {
  const what = INVALIDATES[event.kind]
  if (what !== 'its view') return what === 'always'
  if (!('view' in event)) return true
  if (views.includes(event.view)) return true
  return keeping.includes(event.view) && (event.kind !== 'promotion' || event.left.length > 0)
}

/** A database whose statements are refused with {@link Postponed} once it is over. */
export function refusingAfter(db: Db, isOver: () => boolean): Db {
  return db.withPlugin({
    transformQuery({ node }) {
      if (isOver()) throw new Postponed('the reads took too long')
      return node
    },
    transformResult: async ({ result }) => result,
  })
}

/** Lets whatever else waits have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** A database that lets others have their turn after each statement. */
export function yielding(db: Db): Db {
  return db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await nextTurn()
      return result
    },
  })
}
