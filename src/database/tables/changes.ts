import type { Generated } from 'kysely'
import type { ChangeState, PhaseStatus } from '../../views/phase.ts'

export interface ChangeTables {
  changes: ChangesTable
  change_releases: ChangeReleasesTable
  change_phases: ChangePhasesTable
  change_leases: ChangeLeasesTable
}

interface ChangesTable {
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

interface ChangeReleasesTable {
  change_id: number
  position: number
  release_id: number
  replaced_by: number | null
  at: number
}

interface ChangePhasesTable {
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

interface ChangeLeasesTable {
  change_id: number
  phase: string
  view: string
  fence: number
  holder: string
  renewed_at: number | null
}
