import type { Selectable } from 'kysely'
import type { Schema } from './schema.ts'

/** A table that copies of a database include: all tables, but no SQL views. */
export type CopiedTable = Exclude<keyof Schema, 'storage_totals' | 'needed_blobs'>

type Keys = { readonly [Table in CopiedTable]: readonly (keyof Selectable<Schema[Table]> & string)[] }

/** The columns of the primary key of each table that is copied, in the order of the key. */
export const KEYS: Keys = {
  accounts: ['id'],
  tokens: ['id'],
  identities: ['issuer', 'subject'],
  exchange_rules: ['name'],
  spent_tokens: ['hash'],
  denials: ['id'],
  page_sessions: ['hash'],
  origins: ['id'],
  origin_members: ['origin_id', 'account_id'],
  origin_keys: ['id'],
  origin_secrets: ['id'],
  invitations: ['id'],
  integrations: ['id'],
  group_roles: ['group_name', 'origin_id'],
  refreshes: ['origin', 'channel'],
  packages: ['id'],
  package_settings: ['package_id'],
  package_words: ['word', 'package_id'],
  package_suffixes: ['place', 'suffix', 'package_id'],
  blobs: ['checksum'],
  stored: ['id'],
  upkeep: ['id'],
  releases: ['id'],
  release_dependencies: ['dependency', 'target', 'package_id', 'ident', 'release_id'],
  storage: ['package_id', 'origin_id', 'month'],
  views: ['id'],
  plans: ['id'],
  members: ['view_id', 'package_id', 'release_id', 'from_revision'],
  pointers: ['view_id', 'package_id', 'target', 'from_revision'],
  lines: ['view_id', 'package', 'target'],
  channels: ['id'],
  ident_counts: ['package_id', 'view_id'],
  pins: ['view_id', 'revision'],
  registered_lockfiles: ['id'],
  registered_releases: ['lockfile_id', 'release_id'],
  retention_rules: ['scope'],
  changes: ['id'],
  change_releases: ['change_id', 'position'],
  change_phases: ['change_id', 'phase', 'view'],
  change_leases: ['change_id', 'phase', 'view'],
  webhooks: ['id'],
  webhook_deliveries: ['id'],
  ledger: ['sequence'],
  idempotency_keys: ['account_id', 'key'],
  depot_state: ['name'],
  depot_keys: ['id'],
  trusted_keys: ['name'],
}

export const COPIED_TABLES = Object.keys(KEYS) as readonly CopiedTable[]
