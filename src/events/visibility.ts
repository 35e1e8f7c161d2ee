import { allowsAction, audienceOf } from '../access/access.ts'
import type { Audience, Caller } from '../access/access.ts'
import type { LedgerEvent, Promotion } from '../ledger/entry.ts'
import type { ReleaseName } from '../package/ident.ts'

// Who may see which entry of the ledger. Of what a reader may not see, number, digest and hash are told, so that the chain can be
// verified by anyone; how much goes on in a depot is no secret.

/** Whose eyes read the ledger. */
export interface Reader {
  readonly audience: Audience
  /** Whose own affairs may be seen too; absent for who is anonymous, or comes with a token that does not speak for all of the account. */
  readonly account: string | undefined
}

export function readerOf(caller: Caller): Reader {
  const isWhole =
    caller !== undefined &&
    allowsAction(caller, 'read') &&
    caller.scope.origins === undefined &&
    caller.scope.views === undefined
  return { audience: audienceOf(caller), account: isWhole ? caller.accountName : undefined }
}

/** Whom an entry concerns, and who may therefore see it. Administrators of the depot see all of every entry. */
export type Concern =
  | { readonly of: 'everyone' }
  | { readonly of: 'administrators' }
  | { readonly of: 'account'; readonly account: string }
  /** Its members, and an account that it is about. */
  | { readonly of: 'origin'; readonly origin: string; readonly account?: string }
  /** Who may see all of these, as visible as they are now; they are the releases of these names that were there at the entry's time. */
  | { readonly of: 'releases'; readonly releases: readonly ReleaseName[] }
  /** Who is signed in and may see every release that the plan or proposal of this token names: those may read that, too. */
  | { readonly of: 'plan'; readonly plan: string }
  /** Told as history tells it: numbers and times to everyone, releases to who may see them, the text to who may see all. */
  | { readonly of: 'promotion'; readonly promotion: Promotion }

type Kind = LedgerEvent['kind']
type EventOf<K extends Kind> = Extract<LedgerEvent, { kind: K }>

const everyone = (): Concern => ({ of: 'everyone' })
const administrators = (): Concern => ({ of: 'administrators' })
const itsAccount = ({ account }: { account: string }): Concern => ({ of: 'account', account })
const itsOrigin = ({ origin, account }: { origin: string; account?: string }): Concern => ({
  of: 'origin',
  origin,
  ...(account !== undefined && { account }),
})
const itsRelease = ({ ident, target }: ReleaseName): Concern => ({
  of: 'releases',
  releases: [{ ident, target }],
})

/** The name of a package may be that of a private one. */
const itsPackage = ({ origin, name }: { origin?: string; name?: string }): Concern =>
  name === undefined ? everyone() : origin === undefined ? administrators() : itsOrigin({ origin })

/** Each kind must decide. What an origin's page, the lists of channels and the rules of views tell anyone is for everyone here. */
const CONCERNS: { readonly [K in Kind]: (event: EventOf<K>) => Concern } = {
  'account-added': itsAccount,
  'token-issued': itsAccount,
  'token-revoked': itsAccount,
  'profile-changed': itsAccount,
  'origin-created': everyone,
  'origin-changed': everyone,
  'origin-transferred': everyone,
  'origin-deleted': everyone,
  'member-set': itsOrigin,
  'member-invited': itsOrigin,
  'invitation-ended': itsOrigin,
  'key-added': (event) => (event.key === 'public' ? everyone() : itsOrigin(event)),
  'secret-added': itsOrigin,
  'secret-removed': itsOrigin,
  'integration-added': itsOrigin,
  'integration-removed': itsOrigin,
  'package-settings-set': (event) => itsOrigin({ origin: event.package.split('/', 1)[0] ?? '' }), // that of a package may be private altogether
  'release-published': itsRelease,
  'release-deleted': itsRelease,
  'visibility-set': ({ ident, targets }) => ({
    of: 'releases',
    releases: targets.map((target) => ({ ident, target })),
  }),
  'view-created': everyone,
  'view-closed': everyone,
  'ungoverned-set': everyone,
  'gates-set': everyone,
  'view-frozen': itsPackage,
  'view-thawed': itsPackage,
  'views-frozen': itsPackage,
  'views-thawed': itsPackage,
  'preview-made': ({ plan }) => ({ of: 'plan', plan }),
  'proposal-made': ({ proposal }) => ({ of: 'plan', plan: proposal }),
  'proposal-ended': ({ proposal }) => ({ of: 'plan', plan: proposal }),
  'depot-key-made': everyone,
  'trusted-key-added': administrators,
  'trusted-key-removed': administrators,
  'webhook-added': administrators,
  'webhook-changed': administrators,
  'webhook-removed': administrators,
  'channel-declared': everyone,
  'channel-removed': everyone,
  'depot-restored': everyone,
  promotion: (promotion) => ({ of: 'promotion', promotion }),
}

export const KINDS = Object.keys(CONCERNS) as [Kind, ...Kind[]]

export function concernOf(event: LedgerEvent): Concern {
  // The table pairs each kind with its own event, which a union of both cannot say.
  return (CONCERNS[event.kind] as (event: LedgerEvent) => Concern)(event)
}
