import type { Generated } from 'kysely'
import type { Visibility } from '../../access/access.ts'
import type { PackageType } from '../../hart/metadata.ts'
import type { Target } from '../../package/target.ts'

export interface ReleaseTables {
  packages: PackagesTable
  package_settings: PackageSettingsTable
  package_words: PackageWordsTable
  package_suffixes: PackageSuffixesTable
  releases: ReleasesTable
  release_dependencies: ReleaseDependenciesTable
  ident_counts: IdentCountsTable
}

interface PackagesTable {
  id: Generated<number>
  origin_id: number
  name: string
}

interface PackageSettingsTable {
  package_id: number
  visibility: Visibility
  owner_id: number
  created_at: number
  updated_at: number
}

interface PackageWordsTable {
  word: string
  package_id: number
}

interface PackageSuffixesTable {
  place: number
  suffix: string
  package_id: number
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

interface ReleaseDependenciesTable {
  dependency: string
  target: Target
  package_id: number
  ident: string
  release_id: number
}

export interface IdentCountsTable {
  package_id: number
  /** 0 for the whole depot. */
  view_id: number
  idents: number
  public_idents: number
}
