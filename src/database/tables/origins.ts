import type { Generated } from 'kysely'
import type { Role, Visibility } from '../../access/access.ts'

export interface OriginTables {
  origins: OriginsTable
  origin_members: OriginMembersTable
  origin_keys: OriginKeysTable
  invitations: InvitationsTable
  origin_secrets: OriginSecretsTable
  integrations: IntegrationsTable
  refreshes: RefreshesTable
}

interface OriginsTable {
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

interface OriginMembersTable {
  origin_id: number
  account_id: number
  role: Role
  created_at: number
  updated_at: number
}

/** The halves of the pairs that sign packages, and of the pairs that encrypt secrets (`box`). */
export type KeyKind = 'public' | 'secret' | 'box_public' | 'box_secret'

interface OriginKeysTable {
  id: Generated<number>
  origin_id: number
  kind: KeyKind
  revision: string
  body: string
  owner_id: number
  created_at: number
}

interface InvitationsTable {
  id: Generated<number>
  origin_id: number
  account_id: number
  inviter_id: number
  is_ignored: Generated<number>
  created_at: number
  updated_at: number
}

interface OriginSecretsTable {
  id: Generated<number>
  origin_id: number
  name: string
  value: string
  owner_id: number
  created_at: number
}

interface IntegrationsTable {
  id: Generated<number>
  origin_id: number
  type: string
  name: string
  body: string
  created_at: number
}

interface RefreshesTable {
  origin: string
  channel: string
  attempted_at: number
  refreshed_at: Generated<number | null>
  fault: string | null
  removals: number
}
