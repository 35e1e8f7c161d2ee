import type { Generated } from 'kysely'
import type { Role } from '../../access/access.ts'

export interface AccountTables {
  accounts: AccountsTable
  tokens: TokensTable
  page_sessions: PageSessionsTable
  exchange_rules: ExchangeRulesTable
  spent_tokens: SpentTokensTable
  identities: IdentitiesTable
  group_roles: GroupRolesTable
  denials: DenialsTable
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

interface PageSessionsTable {
  hash: string
  token_id: number
  owns_token: number
  created_at: number
  used_at: number
  expires_at: number
}

interface TokensTable {
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

interface SpentTokensTable {
  hash: string
  idempotency_key: string | null
  token_id: number
  expires_at: number
}

interface IdentitiesTable {
  issuer: string
  subject: string
  account_id: number
  created_at: number
}

interface GroupRolesTable {
  group_name: string
  origin_id: number
  role: Role
}

interface DenialsTable {
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
