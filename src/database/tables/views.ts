import type { Generated } from 'kysely'
import type { Target } from '../../package/target.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { ViewMaker } from '../../views/view.ts'

export interface ViewTables {
  views: ViewsTable
  members: MembersTable
  pointers: PointersTable
  lines: LinesTable
  channels: ChannelsTable
  plans: PlansTable
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

interface MembersTable {
  view_id: number
  package_id: number
  release_id: number
  from_revision: number
  position: number
  to_revision: number | null
  is_skipped: number
}

interface PointersTable {
  view_id: number
  package_id: number
  target: Target
  release_id: number
  from_revision: number
  to_revision: number | null
}

interface LinesTable {
  view_id: number
  package: string
  target: Target
  package_id: number
}

interface ChannelsTable {
  id: Generated<number>
  origin_id: number
  view_id: number
  owner_id: number
  is_declared: number
  created_at: number
  updated_at: number
}

interface PlansTable {
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
