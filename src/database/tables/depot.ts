export interface DepotTables {
  ledger: LedgerTable
  idempotency_keys: IdempotencyKeysTable
  depot_state: DepotStateTable
  depot_keys: DepotKeysTable
  trusted_keys: TrustedKeysTable
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

interface IdempotencyKeysTable {
  account_id: number
  key: string
  request_hash: string
  outcome: string
  created_at: number
}

interface DepotStateTable {
  name: string
  value: string
}

interface DepotKeysTable {
  id: string
  public_key: string
  sealed: string
  created_at: number
}

interface TrustedKeysTable {
  name: string
  id: string
  public_key: string
  created_at: number
}
