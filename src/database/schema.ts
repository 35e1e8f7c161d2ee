import type { Generated } from 'kysely'
import type { Role, Visibility } from '../access/access.ts'
import type { PackageType } from '../hart/metadata.ts'
import type { Target } from '../package/target.ts'
import type { ChangeState, PhaseStatus } from '../views/phase.ts'
import type { ViewRule } from '../views/rule.ts'
import type { ViewMaker } from '../views/view.ts'

// The tables of migrations/sqlite, as Kysely sees them; the migrations explain the columns. Times are epoch
// milliseconds, flags are 0 or 1, and lists are JSON text.

export interface Schema {
  accounts: AccountsTable
  tokens: TokensTable
  exchange_rules: ExchangeRulesTable
  spent_tokens: SpentTokensTable
  identities: IdentitiesTable
  group_roles: GroupRolesTable
  origins: OriginsTable
  origin_members: OriginMembersTable
  origin_keys: OriginKeysTable
  packages: PackagesTable
  blobs: BlobsTable
  stored: StoredTable
  storage: StorageTable
  storage_totals: StorageTotalsView
  needed_blobs: NeededBlobsView
  upkeep: UpkeepTable
  releases: ReleasesTable
  ident_counts: IdentCountsTable
  refreshes: RefreshesTable
  views: ViewsTable
  plans: PlansTable
  members: MembersTable
  pointers: PointersTable
  lines: LinesTable
  channels: ChannelsTable
  ledger: LedgerTable
  idempotency_keys: IdempotencyKeysTable
  invitations: InvitationsTable
  origin_secrets: OriginSecretsTable
  integrations: IntegrationsTable
  package_settings: PackageSettingsTable
  package_words: PackageWordsTable
  package_suffixes: PackageSuffixesTable
  release_dependencies: ReleaseDependenciesTable
  depot_keys: DepotKeysTable
  trusted_keys: TrustedKeysTable
  webhooks: WebhooksTable
  webhook_deliveries: WebhookDeliveriesTable
  depot_state: DepotStateTable
  denials: DenialsTable
  changes: ChangesTable
  change_releases: ChangeReleasesTable
  change_phases: ChangePhasesTable
  change_leases: ChangeLeasesTable
  pins: PinsTable
  registered_lockfiles: RegisteredLockfilesTable
  registered_releases: RegisteredReleasesTable
  retention_rules: RetentionRulesTable
}

export interface AccountsTable {
  id: Generated<number>
  name: string
  email: string | null
  is_administrator: number
  created_at: number
  updated_at: number
  disabled_at: Generated<number | null>
}

export interface TokensTable {
  id: Generated<number>
  account_id: number
  hash: string
  label: string
  scope: string | null
  created_at: number
  expires_at: number | null
  revoked_at: number | null
  is_profile: Generated<number>
  last_used_at: Generated<number | null>
  is_brief: Generated<number>
  groups: Generated<string | null>
}

export interface IdentitiesTable {
  issuer: string
  subject: string
  account_id: number
  created_at: number
}

export interface GroupRolesTable {
  group_name: string
  origin_id: number
  role: Role
}

export interface ExchangeRulesTable {
  name: string
  provider: string
  issuer: string
  claims: string
  account_id: number
  scope: string
  lifetime_ms: number
  created_at: number
  updated_at: number
}

export interface SpentTokensTable {
  hash: string
  idempotency_key: string | null
  token_id: number
  expires_at: number
}

export interface OriginsTable {
  id: Generated<number>
  name: string
  owner_id: number
  default_visibility: Visibility
  created_at: number
  updated_at: number
  deleted_at: Generated<number | null>
  is_upstream: Generated<number>
  quota_bytes: Generated<number | null>
}

export interface OriginMembersTable {
  origin_id: number
  account_id: number
  role: Role
  created_at: number
  updated_at: number
}

/** The halves of the pairs that sign packages, and of the pairs that encrypt secrets (`box`). */
export type KeyKind = 'public' | 'secret' | 'box_public' | 'box_secret'

export interface OriginKeysTable {
  id: Generated<number>
  origin_id: number
  kind: KeyKind
  revision: string
  body: string
  owner_id: number
  created_at: number
}

export interface PackagesTable {
  id: Generated<number>
  origin_id: number
  name: string
}

export interface BlobsTable {
  checksum: string
  size_bytes: number
  created_at: number
  unreferenced_since: number | null
  removed_at: Generated<number | null>
  damage: Generated<string | null>
  damaged_at: Generated<number | null>
  quarantine_ms: Generated<number | null>
}

export interface StorageTable {
  /** 0 in the totals of origins and of the depot. */
  package_id: number
  /** 0 in the totals of the depot. */
  origin_id: number
  month: string
  releases: number
  bytes: number
}

export interface StorageTotalsView {
  /** A package that counts in the total with `package_id` and `origin_id`. */
  counted_id: number
  package_id: number
  origin_id: number
}

export interface NeededBlobsView {
  checksum: string
  size_bytes: number
  month: string
}

export interface StoredTable {
  id: number
  blobs: number
  bytes: number
}

export interface UpkeepTable {
  id: number
  scrubbed_to: string
  scrub_begun_at: number | null
  scrub_ended_at: number | null
}

export interface ReleasesTable {
  id: Generated<number>
  package_id: number
  ident: string
  target: Target
  version: string
  order_key: string
  visibility: Visibility
  checksum: string
  size_bytes: number
  signer: string
  is_verified: number
  publisher_id: number
  package_type: PackageType
  svc_user: string | null
  svc_group: string | null
  created_at: number
  updated_at: number
  deleted_at: number | null
  exposes: string
  deps: string
  tdeps: string
  build_deps: string
  build_tdeps: string
  config: string
  manifest: string
  yanked: string | null
  deprecated: string | null
  held: string | null
  source: string | null
  is_announced: number
}

export interface RefreshesTable {
  origin: string
  channel: string
  attempted_at: number
  refreshed_at: Generated<number | null>
  fault: string | null
  removals: number
}

export interface IdentCountsTable {
  package_id: number
  /** 0 for the whole depot. */
  view_id: number
  idents: number
  public_idents: number
}

export interface ViewsTable {
  id: Generated<number>
  name: string
  rule: ViewRule
  past_rules: Generated<string>
  maker: ViewMaker
  revision: Generated<number>
  created_at: number
  closed_at: number | null
  ungoverned: Generated<string>
  gates: Generated<string>
  freeze: Generated<string | null>
  base_id: Generated<number | null>
  plan_id: Generated<number | null>
}

export interface PlansTable {
  id: Generated<number>
  token: string
  kind: 'draft' | 'proposal'
  view_id: number
  account_id: number | null
  request: string
  effect: string
  digest: string
  created_at: number
  expires_at: number
  ended_at: number | null
  ending: 'applied' | 'rejected' | 'stale' | null
  decider_id: number | null
  revision: number | null
}

export interface MembersTable {
  view_id: number
  package_id: number
  release_id: number
  from_revision: number
  position: number
  to_revision: number | null
  is_skipped: number
}

export interface PointersTable {
  view_id: number
  package_id: number
  target: Target
  release_id: number
  from_revision: number
  to_revision: number | null
}

export interface LinesTable {
  view_id: number
  package: string
  target: Target
  package_id: number
}

export interface ChannelsTable {
  id: Generated<number>
  origin_id: number
  view_id: number
  owner_id: number
  is_declared: number
  created_at: number
  updated_at: number
}

export interface LedgerTable {
  sequence: number
  at: number
  kind: string
  account_id: number | null
  origin_id: number | null
  view_id: number | null
  revision: number | null
  release_id: number | null
  salt: string
  text: string
  digest: string
  hash: string
  clock: number | null
}

export interface IdempotencyKeysTable {
  account_id: number
  key: string
  request_hash: string
  outcome: string
  created_at: number
}

export interface InvitationsTable {
  id: Generated<number>
  origin_id: number
  account_id: number
  inviter_id: number
  is_ignored: Generated<number>
  created_at: number
  updated_at: number
}

export interface OriginSecretsTable {
  id: Generated<number>
  origin_id: number
  name: string
  value: string
  owner_id: number
  created_at: number
}

export interface IntegrationsTable {
  id: Generated<number>
  origin_id: number
  type: string
  name: string
  body: string
  created_at: number
}

export interface PackageSettingsTable {
  package_id: number
  visibility: Visibility
  owner_id: number
  created_at: number
  updated_at: number
}

export interface PackageSuffixesTable {
  place: number
  suffix: string
  package_id: number
}

export interface PackageWordsTable {
  word: string
  package_id: number
}

export interface ReleaseDependenciesTable {
  dependency: string
  target: Target
  package_id: number
  ident: string
  release_id: number
}

export interface DepotKeysTable {
  id: string
  public_key: string
  sealed: string
  created_at: number
}

export interface TrustedKeysTable {
  name: string
  id: string
  public_key: string
  created_at: number
}

export interface WebhooksTable {
  id: Generated<number>
  name: string
  key: string
  host: string
  url: string
  secret: string
  previous_secret: string | null
  previous_until: number | null
  filter: string
  maker_id: number | null
  version: Generated<number>
  created_at: number
  position: number
  replay_next: number | null
  replay_to: number | null
  attempts: Generated<number>
  next_attempt_at: number | null
  failing_since: number | null
  paused_at: number | null
  paused_why: 'asked' | 'failing' | 'gone' | null
}

export interface WebhookDeliveriesTable {
  id: Generated<number>
  webhook_id: number
  sequence: number
  attempt: number
  at: number
  duration_ms: number
  status: number | null
  error: string | null
  excerpt: string
}

export interface DenialsTable {
  id: Generated<number>
  first_at: number
  last_at: number
  requests: number
  account: string | null
  token_id: number | null
  network: string | null
  method: string
  route: string
  path: string
  code: string
}

export interface DepotStateTable {
  name: string
  value: string
}

export interface ChangesTable {
  id: Generated<number>
  public_id: string
  origin_id: number
  /** `origin/name`. */
  project: string
  change: string
  commit_id: string
  branch: string | null
  url: string | null
  targets: string
  state: ChangeState
  account_id: number | null
  at: number
}

export interface ChangeReleasesTable {
  change_id: number
  position: number
  release_id: number
  replaced_by: number | null
  at: number
}

export interface ChangePhasesTable {
  change_id: number
  phase: string
  /** Empty for phases of the whole change. */
  view: string
  status: PhaseStatus
  job: string | null
  message: string | null
  releases: number
  account_id: number | null
  at: number
}

export interface ChangeLeasesTable {
  change_id: number
  phase: string
  view: string
  fence: number
  holder: string
  renewed_at: number | null
}

export interface PinsTable {
  view_id: number
  revision: number
  reason: string
  account_id: number | null
  at: number
}

export interface RegisteredLockfilesTable {
  id: Generated<number>
  name: string
  digest: string
  view: string
  revision: number
  account_id: number | null
  at: number
}

export interface RegisteredReleasesTable {
  lockfile_id: number
  release_id: number
}

export interface RetentionRulesTable {
  scope: string
  rule: string
  account_id: number | null
  at: number
}
