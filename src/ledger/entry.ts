import type { Actor, Role, Visibility } from '../access/access.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from '../views/rule.ts'
import type { Act, Gates, ViewMaker } from '../views/view.ts'
import type { Link } from './chain.ts'

/** What can happen in a depot. Names, not row ids: an entry must be readable without the database that wrote it. */
export type LedgerEvent =
  | { kind: 'account-added'; account: string; isAdministrator: boolean }
  | { kind: 'token-issued'; account: string; token: number; label: string; expiresAt: number | null }
  | { kind: 'token-revoked'; account: string; token: number }
  | { kind: 'profile-changed'; account: string }
  | { kind: 'origin-created'; origin: string; owner: string }
  | { kind: 'origin-changed'; origin: string; defaultVisibility: Visibility }
  | { kind: 'origin-transferred'; origin: string; from: string; to: string }
  | { kind: 'origin-deleted'; origin: string }
  | { kind: 'member-set'; origin: string; account: string; role: Role | null }
  | { kind: 'member-invited'; origin: string; account: string }
  | { kind: 'invitation-ended'; origin: string; account: string; how: 'accepted' | 'ignored' | 'rescinded' }
  | {
      kind: 'key-added'
      origin: string
      revision: string
      key: 'public' | 'secret' | 'box_public' | 'box_secret'
    }
  | { kind: 'secret-added'; origin: string; name: string }
  | { kind: 'secret-removed'; origin: string; name: string }
  | { kind: 'integration-added'; origin: string; type: string; name: string }
  | { kind: 'integration-removed'; origin: string; type: string; name: string }
  | { kind: 'package-settings-set'; package: string; visibility: Visibility | null }
  | {
      kind: 'release-published'
      ident: string
      target: Target
      checksum: string
      sizeBytes: number
      signer: string
      isVerified: boolean
      visibility: Visibility
    }
  | { kind: 'release-deleted'; ident: string; target: Target; checksum: string }
  /** Of every release of the ident. */
  | { kind: 'visibility-set'; ident: string; targets: readonly Target[]; visibility: Visibility }
  | { kind: 'view-created'; view: string; rule: ViewRule; maker: ViewMaker }
  | { kind: 'view-closed'; view: string }
  | { kind: 'ungoverned-set'; view: string; origins: readonly string[] }
  | { kind: 'gates-set'; view: string; gates: Gates }
  /** Restricted to packages of an origin or name, where it says so. */
  | {
      kind: 'view-frozen'
      view: string
      origin?: string
      name?: string
      reason: string
      until: number | null
    }
  | { kind: 'view-thawed'; view: string; origin?: string; name?: string }
  /** As these, of every view. */
  | { kind: 'views-frozen'; origin?: string; name?: string; reason: string; until: number | null }
  | { kind: 'views-thawed'; origin?: string; name?: string }
  | { kind: 'preview-made'; view: string; base: string; plan: string }
  | { kind: 'proposal-made'; view: string; proposal: string; reason: string | null; expiresAt: number }
  | {
      kind: 'proposal-ended'
      view: string
      proposal: string
      how: 'applied' | 'rejected' | 'stale'
      reason: string | null
    }
  | { kind: 'channel-declared'; origin: string; view: string }
  | { kind: 'channel-removed'; origin: string; view: string }
  /** `key` is the id of a depot's key, `publicKey` the key in base64. */
  | { kind: 'depot-key-made'; key: string; publicKey: string }
  | { kind: 'trusted-key-added'; name: string; key: string; publicKey: string }
  | { kind: 'trusted-key-removed'; name: string; key: string }
  /** For administrators' eyes. Of the URL only the host: the rest may be a secret. */
  | { kind: 'webhook-added'; webhook: string; host: string }
  | { kind: 'webhook-changed'; webhook: string; host: string; changed: readonly WebhookPart[] }
  | { kind: 'webhook-removed'; webhook: string }
  /** The depot was put back to an older copy: what had been committed after the entry before this one is lost. */
  | { kind: 'depot-restored'; incarnation: string }
  | Promotion

/**
 * One committed change to one view: the only kind of entry that makes a revision, and all that is needed to fold a view. What is in
 * `left` leaves, then what is in `joined` joins, in that order; what is a member already joins anew.
 */
export interface Promotion {
  kind: 'promotion'
  view: string
  revision: number
  act: Act
  /** What brought it about, when it was not asked for by itself. */
  cause?: 'upload' | 'channel-removed' | 'release-deleted' | 'bulk' | 'preview'
  reason?: string
  /** The revision that was gone back to, or that was taken back. */
  of?: number
  /** What it was restricted to, where it goes back or takes back. */
  only?: { readonly origin?: string; readonly name?: string }
  /** The rule of the view from this revision on, where it set another one. */
  rule?: ViewRule
  /** Where the set was taken from. */
  source?: Source
  /** Who proposed what the actor approved. */
  proposer?: string
  /** Which refusals were set aside, and why. */
  override?: { reason: string; refusals: readonly string[] }
  joined: readonly ReleaseName[]
  left: readonly ReleaseName[]
  pointers: readonly PointerMove[]
}

/** A view at a revision, or a lockfile by the digest of its text. */
export type Source = { view: string; revision: number } | { lockfile: string }

/** What of a webhook was changed; `replay`: entries are to be sent again. */
export type WebhookPart = 'url' | 'filter' | 'paused' | 'resumed' | 'secret' | 'replay'

/** `latest` of `package` (`origin/name`) for `target` went from one ident to another; `null` where there is none. */
export interface PointerMove {
  package: string
  target: Target
  from: string | null
  to: string | null
}

/** An entry as it stands in the ledger. `text` is the exact JSON that was hashed, and holds `at`, `actor` and the event. */
export interface LedgerEntry extends Link {
  readonly sequence: number
  /** Epoch milliseconds; never lower than that of the entry before. */
  readonly at: number
  readonly actor: Actor
  readonly event: LedgerEvent
  readonly text: string
}

/** The view that an event is about. */
export function viewOf(event: LedgerEvent): string | undefined {
  return 'view' in event ? event.view : undefined
}

/** The origins that an event names, or that own what it names. */
export function originsOf(event: LedgerEvent): ReadonlySet<string> {
  const names: string[] = []
  if ('origin' in event && event.origin !== undefined) names.push(event.origin)
  if ('package' in event) names.push(event.package)
  if ('ident' in event) names.push(event.ident)
  if (event.kind === 'promotion')
    names.push(
      ...[...event.joined, ...event.left].map(({ ident }) => ident),
      ...event.pointers.map((move) => move.package),
    )
  return new Set(names.map((name) => name.split('/', 1)[0] ?? ''))
}
