import type { Db } from '../database/database.ts'
import { GuardedDb } from '../database/guarded-db.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'

// Long reads of commands. A command may read in its transaction only for a short time. A command that reads
// longer is postponed: its handler runs on a snapshot up to its first write, while other commands commit.
// Then the handler runs again in a transaction and uses the results of the earlier reads, unless a commit has
// invalidated them.

/**
 * The views whose changes invalidate a read. Every read is also invalidated by changes of releases,
 * visibility and roles.
 */
export interface Basis {
  /** Any change of these views invalidates the result. */
  readonly views: readonly string[]
  /** A member that leaves one of these views invalidates the result. */
  readonly membersOf?: readonly string[]
  /** Whether reports of phases, and releases that are added to changes, invalidate the result. */
  readonly readsPhases?: boolean
}

/** Thrown if a read takes too long for a transaction, or if its result was invalidated. */
export class Postponed extends Error {}

/** The results of a command's reads on a snapshot, by name, and the events committed since. */
export class ReadAhead {
  readonly #reads = new Map<string, { readonly basis: Basis; readonly value: unknown }>()
  readonly #events: LedgerEvent[] = []

  /** Must be called with every commit since the snapshot. May also be called with earlier commits. */
  onCommit(entries: readonly LedgerEntry[]): void {
    for (const { event } of entries) this.#events.push(event)
  }

  store(name: string, basis: Basis, value: unknown): void {
    this.#reads.set(name, { basis, value })
  }

  /** Returns a result; `undefined` if there is none. Throws {@link Postponed} if it was invalidated. */
  take(name: string): { readonly value: unknown } | undefined {
    const read = this.#reads.get(name)
    if (read !== undefined && this.#events.some((event) => invalidates(event, read.basis)))
      throw new Postponed(`${name} has changed since it was read`)
    return read
  }
}

type Invalidates = 'always' | 'never' | 'same view' | 'phases'

/**
 * The events that invalidate earlier reads. Events that only add, for example a published release, do not:
 * the command could have run before them.
 */
const INVALIDATES: Readonly<Record<LedgerEvent['kind'], Invalidates>> = {
  'account-added': 'never',
  'account-disabled': 'never', // the transaction checks the caller's token
  'account-enabled': 'never',
  'token-issued': 'never',
  'token-narrowed': 'always', // the caller may see less
  'token-revoked': 'never', // the transaction checks the caller's token
  'profile-changed': 'never',
  'origin-created': 'never',
  'origin-changed': 'never', // affects only later packages
  'origin-transferred': 'always',
  'origin-deleted': 'always',
  'origin-adopted': 'never', // affects only later releases and keys
  'origin-disowned': 'never',
  'names-reserved': 'never',
  'quota-set': 'never', // the transaction reads quotas
  'quota-neared': 'never',
  'member-set': 'always',
  'member-invited': 'never',
  'invitation-ended': 'always',
  'key-added': 'never',
  'secret-added': 'never',
  'secret-removed': 'never',
  'integration-added': 'never',
  'integration-removed': 'never',
  'package-settings-set': 'never', // affects only later releases
  'release-published': 'never',
  'release-announced': 'never',
  'release-yanked': 'always',
  'release-unyanked': 'always',
  'release-deprecated': 'always', // plans warn of it
  'release-undeprecated': 'always',
  'release-held': 'never', // only deletions ask, in the transaction
  'release-unheld': 'never',
  'release-deleted': 'always',
  'visibility-set': 'always',
  'view-created': 'same view',
  'view-closed': 'same view',
  'ungoverned-set': 'never',
  'gates-set': 'same view',
  'view-frozen': 'same view',
  'view-thawed': 'same view',
  'views-frozen': 'always',
  'views-thawed': 'always',
  'preview-made': 'never',
  'proposal-made': 'never',
  'proposal-ended': 'never',
  'revision-pinned': 'never', // only deletions ask, in the transaction
  'revision-unpinned': 'never',
  'lockfile-registered': 'never',
  'lockfile-unregistered': 'never',
  'retention-set': 'never',
  'channel-declared': 'never',
  'channel-removed': 'always',
  'depot-key-made': 'never',
  'depot-key-revoked': 'never',
  'secrets-resealed': 'never',
  'trusted-key-added': 'never',
  'trusted-key-removed': 'never',
  'identity-bound': 'never',
  'identity-unbound': 'never',
  'group-role-set': 'always',
  'exchange-rule-set': 'never',
  'exchange-rule-removed': 'never',
  'webhook-added': 'never',
  'webhook-changed': 'never',
  'webhook-removed': 'never',
  'change-recorded': 'never',
  'change-release-added': 'phases',
  'phase-reported': 'phases',
  'depot-restored': 'always',
  promotion: 'same view',
}

function invalidates(event: LedgerEvent, { views, membersOf = [], readsPhases = false }: Basis): boolean {
  const effect = INVALIDATES[event.kind]
  if (effect === 'phases') return readsPhases
  if (effect !== 'same view') return effect === 'always'
  if (!('view' in event)) return true
  if (views.includes(event.view)) return true
  return membersOf.includes(event.view) && (event.kind !== 'promotion' || event.left.length > 0)
}

/**
 * A database whose statements throw {@link Postponed} once the clock has passed `end`. Each command sets its
 * own end.
 */
export interface LimitedReads {
  readonly db: Db
  end: number
}

/** Returns the database with a limit, which is infinite at first. `elapsed` is the clock. */
export function limitReads(db: Db, elapsed: () => number): LimitedReads {
  const limited = {
    end: Infinity,
    db: new GuardedDb(db, () => {
      if (elapsed() > limited.end) throw new Postponed('the reads took too long')
    }),
  }
  return limited
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** Returns a database that yields to the event loop after each statement. */
export function yielding(db: Db): Db {
  return db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await nextTurn()
      return result
    },
  })
}
