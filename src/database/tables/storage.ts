import type { Generated } from 'kysely'

export interface StorageTables {
  blobs: BlobsTable
  stored: StoredTable
  storage: StorageTable
  storage_totals: StorageTotalsView
  needed_blobs: NeededBlobsView
  upkeep: UpkeepTable
}

interface BlobsTable {
  checksum: string
  size_bytes: number
  created_at: number
  unreferenced_since: number | null
  removed_at: Generated<number | null>
  damage: Generated<string | null>
  damaged_at: Generated<number | null>
  quarantine_ms: Generated<number | null>
}

interface StoredTable {
  id: number
  blobs: number
  bytes: number
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

interface StorageTotalsView {
  /** A package that counts in the total with `package_id` and `origin_id`. */
  counted_id: number
  package_id: number
  origin_id: number
}

interface NeededBlobsView {
  checksum: string
  size_bytes: number
  month: string
}

interface UpkeepTable {
  id: number
  scrubbed_to: string
  scrub_begun_at: number | null
  scrub_ended_at: number | null
}
