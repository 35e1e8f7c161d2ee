import type { Generated } from 'kysely'

export interface RetentionTables {
  pins: PinsTable
  registered_lockfiles: RegisteredLockfilesTable
  registered_releases: RegisteredReleasesTable
  retention_rules: RetentionRulesTable
}

interface PinsTable {
  view_id: number
  revision: number
  reason: string
  account_id: number | null
  at: number
}

interface RegisteredLockfilesTable {
  id: Generated<number>
  name: string
  digest: string
  view: string
  revision: number
  account_id: number | null
  at: number
}

interface RegisteredReleasesTable {
  lockfile_id: number
  release_id: number
}

interface RetentionRulesTable {
  scope: string
  rule: string
  account_id: number | null
  at: number
}
