import type { Actor, Role, Scope, Visibility } from '../access/access.ts'
import type { KeyKind } from '../database/tables/origins.ts'
import { originOf } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { PhaseStatus } from '../views/phase.ts'
import type { RetentionRule } from '../views/retention-rule.ts'
import type { ViewRule } from '../views/rule.ts'
import type { Act, Gates, ViewMaker } from '../views/view.ts'
import type { Link } from './chain.ts'

/**
 * Everything that can happen in a depot. Events hold names, not row ids, so that they are readable without
 * the database.
 */
export type LedgerEvent =
  | { kind: 'account-added'; account: string; isAdministrator: boolean }
  | { kind: 'account-disabled'; account: string }
  | { kind: 'account-enabled'; account: string }
  /** `exchange` is the ID token of a CI system, and `signIn` the person, for which the token was issued. */
  | {
      kind: 'token-issued'
      account: string
      token: number
      label: string
      expiresAt: number | null
      exchange?: { rule: string; issuer: string; subject: string }
      signIn?: { issuer: string; subject: string }
    }
  | { kind: 'token-narrowed'; account: string; token: number; expiresAt: number | null }
  | { kind: 'token-revoked'; account: string; token: number }
  | { kind: 'profile-changed'; account: string }
  | { kind: 'origin-created'; origin: string; owner: string }
  | { kind: 'origin-changed'; origin: string; defaultVisibility: Visibility }
  | { kind: 'origin-transferred'; origin: string; from: string; to: string }
  | { kind: 'origin-deleted'; origin: string }
  /** From now on, releases and keys of the origin come from upstream, the URL of a depot. */
  | { kind: 'origin-adopted'; origin: string; upstream: string }
  | { kind: 'origin-disowned'; origin: string }
  /** The patterns of all names that only administrators may give to origins. */
  | { kind: 'names-reserved'; patterns: readonly string[] }
  /** Without `origin`, the quota is that of the depot. `bytes: null` means that there is none. */
  | { kind: 'quota-set'; origin?: string; bytes: number | null }
  /** The next entry publishes the release with which 80 % of the quota or more are used. */
  | { kind: 'quota-neared'; origin?: string; usedBytes: number; quotaBytes: number }
  | { kind: 'member-set'; origin: string; account: string; role: Role | null }
  | { kind: 'member-invited'; origin: string; account: string }
  | { kind: 'invitation-ended'; origin: string; account: string; how: 'accepted' | 'ignored' | 'rescinded' }
  | { kind: 'key-added'; origin: string; revision: string; key: KeyKind }
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
      /** The URL of the upstream depot from which it was fetched. */
      source?: string
      /** Set if the bytes came from the quarantine of retention. */
      cause?: 'returned'
    }
  /** Upstream has the release. Its bytes may come later, in an entry `release-published`. */
  | { kind: 'release-announced'; ident: string; target: Target; checksum: string }
  /** Sets a mark, or changes its reason. The promotions that a yank makes follow the entry of the yank. */
  | { kind: 'release-yanked'; ident: string; target: Target; reason: string }
  | { kind: 'release-unyanked'; ident: string; target: Target }
  | { kind: 'release-deprecated'; ident: string; target: Target; reason: string }
  | { kind: 'release-undeprecated'; ident: string; target: Target }
  | { kind: 'release-held'; ident: string; target: Target; reason: string }
  | { kind: 'release-unheld'; ident: string; target: Target }
  /** Retention keeps the bytes for a while, and the release may be published again from them. */
  | { kind: 'release-deleted'; ident: string; target: Target; checksum: string; cause?: 'retention' }
  /** `targets` are those whose visibility changed. */
  | { kind: 'visibility-set'; ident: string; targets: readonly Target[]; visibility: Visibility }
  | { kind: 'view-created'; view: string; rule: ViewRule; maker: ViewMaker }
  | { kind: 'view-closed'; view: string }
  | { kind: 'ungoverned-set'; view: string; origins: readonly string[] }
  | { kind: 'gates-set'; view: string; gates: Gates; override?: RecordedOverride }
  /** `origin` and `name` restrict the freeze to their packages. */
  | {
      kind: 'view-frozen'
      view: string
      origin?: string
      name?: string
      reason: string
      until: number | null
      override?: RecordedOverride
    }
  | { kind: 'view-thawed'; view: string; origin?: string; name?: string; override?: RecordedOverride }
  /** Freezes and thaws all views. */
  | { kind: 'views-frozen'; origin?: string; name?: string; reason: string; until: number | null }
  | { kind: 'views-thawed'; origin?: string; name?: string; override?: RecordedOverride }
  | { kind: 'preview-made'; view: string; base: string; plan: string }
  | { kind: 'proposal-made'; view: string; proposal: string; reason: string | null; expiresAt: number }
  | {
      kind: 'proposal-ended'
      view: string
      proposal: string
      how: 'applied' | 'rejected' | 'stale'
      reason: string | null
    }
  /** `pinned` is the revision whose releases are kept. */
  | { kind: 'revision-pinned'; view: string; pinned: number; reason: string }
  | { kind: 'revision-unpinned'; view: string; pinned: number }
  /** `digest` is the SHA-256 of the text. `releases` are kept; they are sorted. */
  | { kind: 'lockfile-registered'; name: string; digest: string; releases: readonly ReleaseName[] }
  | { kind: 'lockfile-unregistered'; name: string }
  /** Without an origin, a package or a view, the rule is that of the depot. `null` removes the rule. */
  | {
      kind: 'retention-set'
      origin?: string
      package?: string
      view?: string
      rule: RetentionRule | null
    }
  | { kind: 'channel-declared'; origin: string; view: string }
  | { kind: 'channel-removed'; origin: string; view: string }
  /** Stored secrets were encrypted again, with the key of this id. */
  | { kind: 'secrets-resealed'; key: string; secrets: number }
  /** `key` is the id of the depot's key; `publicKey` is the key in base64. */
  | { kind: 'depot-key-made'; key: string; publicKey: string }
  /** Lockfiles and checkpoints that the key signed are not trusted any more. */
  | { kind: 'depot-key-revoked'; key: string }
  | { kind: 'trusted-key-added'; name: string; key: string; publicKey: string }
  | { kind: 'trusted-key-removed'; name: string; key: string }
  | { kind: 'identity-bound'; account: string; issuer: string; subject: string }
  | { kind: 'identity-unbound'; account: string; issuer: string; subject: string }
  | { kind: 'group-role-set'; origin: string; group: string; role: Role | null }
  /** Replaces an earlier rule of the same name. */
  | {
      kind: 'exchange-rule-set'
      rule: string
      provider: string
      issuer: string
      claims: readonly { claim: string; values: readonly string[] }[]
      account: string
      scope: Scope
      lifetimeMs: number
    }
  | { kind: 'exchange-rule-removed'; rule: string }
  /** Visible to administrators only. Holds the host alone, because the rest of the URL may be a secret. */
  | { kind: 'webhook-added'; webhook: string; host: string }
  | { kind: 'webhook-changed'; webhook: string; host: string; changed: readonly WebhookPart[] }
  | { kind: 'webhook-removed'; webhook: string }
  /** `record` is the id of the change for clients, and `project` is `origin/name`. */
  | {
      kind: 'change-recorded'
      record: string
      project: string
      change: string
      commit: string
      branch: string | null
      url: string | null
      targets: readonly Target[]
    }
  /** `replaces` is the ident that a rebuild replaces in the change. */
  | {
      kind: 'change-release-added'
      record: string
      project: string
      change: string
      ident: string
      target: Target
      checksum: string
      signer: string
      replaces: string | null
    }
  /** The report covers the releases that were added to the change before this entry. */
  | {
      kind: 'phase-reported'
      record: string
      project: string
      change: string
      phase: string
      view?: string
      status: PhaseStatus
      job: string | null
      message: string | null
    }
  /** The depot was restored from an older copy. Entries committed after the previous entry are lost. */
  | { kind: 'depot-restored'; incarnation: string }
  | Promotion

/** What was overridden, as sentences, and why. */
export interface RecordedOverride {
  readonly reason: string
  readonly refusals: readonly string[]
}

/**
 * One committed change to one view. Only promotions make revisions, and they suffice to rebuild the view.
 * First the releases in `left` leave, then those in `joined` join, in order; a release that is already a
 * member joins again, last.
 */
export interface Promotion {
  kind: 'promotion'
  view: string
  revision: number
  act: Act
  /** What caused the promotion. Absent if the promotion itself was requested. */
  cause?: 'upload' | 'channel-removed' | 'release-deleted' | 'retention' | 'bulk' | 'preview' | 'refresh'
  reason?: string
  /** The revision that a rollback restored or a revert undid. */
  of?: number
  /** The packages to which a rollback or revert was restricted. */
  only?: { readonly origin?: string; readonly name?: string }
  /** The new rule of the view, if this revision changed it. */
  rule?: ViewRule
  /** Where the promoted releases came from, unless the request listed them. */
  source?: Source
  /** The author of the proposal that the actor approved. */
  proposer?: string
  override?: RecordedOverride
  joined: readonly ReleaseName[]
  left: readonly ReleaseName[]
  pointers: readonly PointerMove[]
}

/** A view at a revision, or a lockfile by the digest of its text. */
export type Source = { view: string; revision: number } | { lockfile: string }

/** The changed part of a webhook; `replay` means that entries are sent again. */
export type WebhookPart = 'url' | 'filter' | 'paused' | 'resumed' | 'secret' | 'replay'

/**
 * `latest` of `package` (`origin/name`) for `target` moved from one ident to another; `null` means no
 * release.
 */
export interface PointerMove {
  package: string
  target: Target
  from: string | null
  to: string | null
}

/** An entry of the ledger. `text` is the exact JSON that was hashed, with `at`, `actor` and the event. */
export interface LedgerEntry extends Link {
  readonly sequence: number
  /** Epoch milliseconds; never earlier than the previous entry. */
  readonly at: number
  readonly actor: Actor
  readonly event: LedgerEvent
  readonly text: string
}

/** An entry without the parts that its text repeats: as it is stored, and as it travels between threads. */
export type StoredEntry = Link & Pick<LedgerEntry, 'sequence' | 'text'>

export function parseEntry(stored: StoredEntry): LedgerEntry {
  const { at, clock: _clock, actor, ...event } = JSON.parse(stored.text) as EntryText
  return { ...stored, at, actor, event }
}

/** The inverse of {@link parseEntry}. */
export function storedEntryOf({ sequence, salt, digest, hash, text }: LedgerEntry): StoredEntry {
  return { sequence, salt, digest, hash, text }
}

/** The JSON of an entry. `clock` is the wall clock, if the commit time is far ahead of it. */
type EntryText = { at: number; clock?: number; actor: Actor } & LedgerEvent

/** Returns the view that an event is about. */
export function viewOf(event: LedgerEvent): string | undefined {
  return 'view' in event ? event.view : undefined
}

/** Returns the origins that an event names, and those of the packages that it names. */
export function originsOf(event: LedgerEvent): ReadonlySet<string> {
  const names: string[] = []
  if ('origin' in event && event.origin !== undefined) names.push(event.origin)
  if ('package' in event) names.push(event.package)
  if ('project' in event) names.push(event.project)
  if ('ident' in event) names.push(event.ident)
  if (event.kind === 'lockfile-registered') names.push(...event.releases.map(({ ident }) => ident))
  if (event.kind === 'promotion')
    names.push(
      ...[...event.joined, ...event.left].map(({ ident }) => ident),
      ...event.pointers.map((move) => move.package),
    )
  return new Set(names.map(originOf))
}
