import { allowsAction, audienceOf } from '../access/access.ts'
import type { Audience, Caller, Session } from '../access/access.ts'
import type { LedgerEvent, Promotion } from '../ledger/entry.ts'
import { originOf } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'

// Decides which readers may see which ledger entries. Readers get the sequence number, digest and hash also
// of hidden entries, so that everyone can verify the chain. The number of entries is no secret.

/** A reader of the ledger. */
export interface Reader {
  readonly audience: Audience
  /**
   * The account whose own entries are visible; absent for anonymous callers and for tokens with a restricted
   * scope.
   */
  readonly account: string | undefined
}

/** Returns a caller as a reader of the ledger. */
export function readerOf(caller: Caller): Reader {
  return { audience: audienceOf(caller), account: seesOwnChanges(caller) ? caller.accountName : undefined }
}

/**
 * Reports whether a caller sees all changes that its account made, even changes of releases that it may not
 * see. Callers with a token of restricted scope do not.
 */
export function seesOwnChanges(caller: Caller): caller is Session {
  return (
    caller !== undefined &&
    allowsAction(caller, 'read') &&
    caller.scope.origins === undefined &&
    caller.scope.views === undefined
  )
}

/**
 * The subject of an entry, which decides who may see it. Administrators of the depot see every entry
 * completely.
 */
export type EntrySubject =
  | { readonly of: 'everyone' }
  | { readonly of: 'administrators' }
  | { readonly of: 'account'; readonly account: string }
  /** Visible to the origin's members and to `account`. */
  | { readonly of: 'origin'; readonly origin: string; readonly account?: string }
  /**
   * Visible to readers who now see all of these releases. Names refer to the releases that existed at the
   * time of the entry.
   */
  | { readonly of: 'releases'; readonly releases: readonly ReleaseName[] }
  /**
   * Visible to signed-in readers who see every release in the plan or proposal with this token. The same
   * readers may read the plan.
   */
  | { readonly of: 'plan'; readonly plan: string }
  /** Visible to readers who may see the change record with this id, which has the rights of its releases. */
  | { readonly of: 'change'; readonly record: string }
  /**
   * Redacted like history: every reader sees numbers and times, and the releases that the reader may see.
   * Only readers who may see all releases of the promotion see its text.
   */
  | { readonly of: 'promotion'; readonly promotion: Promotion }

type Kind = LedgerEvent['kind']
type EventOf<K extends Kind> = Extract<LedgerEvent, { kind: K }>

const everyone = (): EntrySubject => ({ of: 'everyone' })
const administrators = (): EntrySubject => ({ of: 'administrators' })
const accountSubject = ({ account }: { account: string }): EntrySubject => ({ of: 'account', account })
const originSubject = ({ origin, account }: { origin: string; account?: string }): EntrySubject => ({
  of: 'origin',
  origin,
  ...(account !== undefined && { account }),
})
const releaseSubject = ({ ident, target }: ReleaseName): EntrySubject => ({
  of: 'releases',
  releases: [{ ident, target }],
})

const changeSubject = ({ record }: { record: string }): EntrySubject => ({ of: 'change', record })

/**
 * A freeze of one package is visible to the origin's members, because the package may be private. A freeze of
 * a name in every origin is visible to administrators alone. Everyone sees all other freezes.
 */
const packageSubject = ({ origin, name }: { origin?: string; name?: string }): EntrySubject =>
  name === undefined ? everyone() : origin === undefined ? administrators() : originSubject({ origin })

/** The quota of an origin is visible to its members, and that of the depot to administrators alone. */
const quotaSubject = ({ origin }: { origin?: string }): EntrySubject =>
  origin === undefined ? administrators() : originSubject({ origin })

/**
 * The subject of each kind of event. Everyone may see what the API shows to everyone, for example origins,
 * channels, views and their gates.
 */
const SUBJECTS: { readonly [K in Kind]: (event: EventOf<K>) => EntrySubject } = {
  'account-added': accountSubject,
  'account-disabled': accountSubject,
  'account-enabled': accountSubject,
  'token-issued': accountSubject,
  'token-narrowed': accountSubject,
  'token-revoked': accountSubject,
  'profile-changed': accountSubject,
  'origin-created': everyone,
  'origin-changed': everyone,
  'origin-transferred': everyone,
  'origin-deleted': everyone,
  'origin-adopted': everyone,
  'origin-disowned': everyone,
  'names-reserved': administrators, // the names of secret projects may be among them
  'quota-set': quotaSubject,
  'quota-neared': quotaSubject,
  'member-set': originSubject,
  'member-invited': originSubject,
  'invitation-ended': originSubject,
  'key-added': (event) => (event.key === 'public' ? everyone() : originSubject(event)),
  'secret-added': originSubject,
  'secret-removed': originSubject,
  'integration-added': originSubject,
  'integration-removed': originSubject,
  'package-settings-set': (event) => originSubject({ origin: originOf(event.package) }), // the package may be private
  'release-published': releaseSubject,
  'release-announced': releaseSubject,
  'release-yanked': releaseSubject,
  'release-unyanked': releaseSubject,
  'release-deprecated': releaseSubject,
  'release-undeprecated': releaseSubject,
  'release-held': releaseSubject,
  'release-unheld': releaseSubject,
  'release-deleted': releaseSubject,
  'visibility-set': ({ ident, targets }) => ({
    of: 'releases',
    releases: targets.map((target) => ({ ident, target })),
  }),
  'view-created': everyone,
  'view-closed': everyone,
  'ungoverned-set': everyone,
  'gates-set': everyone,
  'view-frozen': packageSubject,
  'view-thawed': packageSubject,
  'views-frozen': packageSubject,
  'views-thawed': packageSubject,
  'preview-made': ({ plan }) => ({ of: 'plan', plan }),
  'proposal-made': ({ proposal }) => ({ of: 'plan', plan: proposal }),
  'proposal-ended': ({ proposal }) => ({ of: 'plan', plan: proposal }),
  'revision-pinned': everyone,
  'revision-unpinned': everyone,
  'lockfile-registered': ({ releases }) => ({ of: 'releases', releases }),
  'lockfile-unregistered': administrators,
  // A package may be private.
  'retention-set': (event) =>
    event.package === undefined ? everyone() : originSubject({ origin: originOf(event.package) }),
  'depot-key-made': everyone,
  'depot-key-revoked': everyone,
  'secrets-resealed': administrators,
  'trusted-key-added': administrators,
  'trusted-key-removed': administrators,
  'identity-bound': accountSubject,
  'identity-unbound': accountSubject,
  'group-role-set': ({ origin }) => originSubject({ origin }),
  'exchange-rule-set': administrators,
  'exchange-rule-removed': administrators,
  'webhook-added': administrators,
  'webhook-changed': administrators,
  'webhook-removed': administrators,
  'channel-declared': everyone,
  'channel-removed': everyone,
  'change-recorded': changeSubject,
  'change-release-added': changeSubject,
  'phase-reported': changeSubject,
  'depot-restored': everyone,
  promotion: (promotion) => ({ of: 'promotion', promotion }),
}

/** The kinds of all events. */
export const KINDS = Object.keys(SUBJECTS) as [Kind, ...Kind[]]

export function entrySubjectOf(event: LedgerEvent): EntrySubject {
  // The table pairs each kind with its event; a union type cannot express the pairing.
  return (SUBJECTS[event.kind] as (event: LedgerEvent) => EntrySubject)(event)
}
