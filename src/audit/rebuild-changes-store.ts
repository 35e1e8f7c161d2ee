import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Db } from '../database/database.ts'
import { createTemporaryTable } from '../database/temporary-table.ts'
import type { Schema } from '../database/schema.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { lineOf, originOf, releaseKey } from '../package/ident.ts'
import type { EntryRow } from './audit-entry.ts'

// Rebuilds change records from the ledger, in temporary tables that only this connection sees, and compares
// them with the rows. `record` is the id of a change for clients.

interface RebuiltChange {
  readonly record: string
  readonly project: string
  readonly origin: string
  readonly change: string
  readonly commit_id: string
  readonly branch: string | null
  readonly url: string | null
  /** JSON, as in the row. */
  readonly targets: string
  readonly account_id: number | null
  readonly at: number
}

interface RebuiltChangeRelease {
  readonly record: string
  readonly position: number
  /** `origin/name/version/release target` */
  readonly release: string
  readonly checksum: string
  readonly replaced_by: number | null
  readonly at: number
}

interface RebuiltPhase {
  readonly record: string
  readonly phase: string
  readonly view: string
  readonly status: string
  readonly job: string | null
  readonly message: string | null
  readonly releases: number
  readonly account_id: number | null
  readonly at: number
}

type RebuiltTables = {
  rebuilt_changes: RebuiltChange
  rebuilt_change_releases: RebuiltChangeRelease & { readonly line: string }
  rebuilt_change_phases: RebuiltPhase
}

export type ChangesDb = Kysely<Schema & RebuiltTables>

const CHANGE = [
  'record',
  'project',
  'origin',
  'change',
  'commit_id',
  'branch',
  'url',
  'targets',
  'account_id',
  'at',
] as const
const RELEASE = ['record', 'position', 'release', 'checksum', 'replaced_by', 'at'] as const
const PHASE = ['record', 'phase', 'view', 'status', 'job', 'message', 'releases', 'account_id', 'at'] as const

/** Creates the temporary tables. Call it once for each connection. */
export async function openChangesRebuild(db: Db): Promise<ChangesDb> {
  await createTemporaryTable(db, 'rebuilt_changes', {
    record: 'text',
    project: 'text',
    origin: 'text',
    change: 'text',
    commit_id: 'text',
    branch: 'text',
    url: 'text',
    targets: 'text',
    account_id: 'number',
    at: 'number',
  })
  await createTemporaryTable(
    db,
    'rebuilt_change_releases',
    {
      record: 'text',
      position: 'number',
      release: 'text',
      checksum: 'text',
      replaced_by: 'number',
      at: 'number',
      line: 'text',
    },
    ['record', 'position'],
  )
  await createTemporaryTable(
    db,
    'rebuilt_change_phases',
    {
      record: 'text',
      phase: 'text',
      view: 'text',
      status: 'text',
      job: 'text',
      message: 'text',
      releases: 'number',
      account_id: 'number',
      at: 'number',
    },
    ['record', 'phase', 'view'],
  )
  return db.withTables<RebuiltTables>()
}

type EventOf<K extends LedgerEvent['kind']> = Extract<LedgerEvent, { kind: K }>
type EntryFields = Pick<EntryRow, 'at' | 'account_id'>

/** Applies an entry of the ledger to the rebuilt changes, if it is about one. Entries come in order. */
export async function rebuildChange(db: ChangesDb, event: LedgerEvent, entry: EntryFields): Promise<void> {
  if (event.kind === 'change-recorded') await insertChange(db, event, entry)
  if (event.kind === 'change-release-added') await addRelease(db, event, entry)
  if (event.kind === 'phase-reported') await replacePhase(db, event, entry)
}

async function insertChange(
  db: ChangesDb,
  { record, project, change, commit, branch, url, targets }: EventOf<'change-recorded'>,
  { at, account_id }: EntryFields,
): Promise<void> {
  await db
    .insertInto('rebuilt_changes')
    .values({
      record,
      project,
      origin: originOf(project),
      change,
      commit_id: commit,
      branch,
      url,
      targets: JSON.stringify(targets),
      account_id,
      at,
    })
    .execute()
}

async function addRelease(
  db: ChangesDb,
  event: EventOf<'change-release-added'>,
  { at }: EntryFields,
): Promise<void> {
  const { record, checksum } = event
  const line = lineOf(event)
  const position = (await countReleases(db, record)) + 1
  await db
    .updateTable('rebuilt_change_releases')
    .set({ replaced_by: position })
    .where('record', '=', record)
    .where('line', '=', line)
    .where('replaced_by', 'is', null)
    .execute()
  await db
    .insertInto('rebuilt_change_releases')
    .values({ record, position, release: releaseKey(event), checksum, replaced_by: null, at, line })
    .execute()
}

async function replacePhase(
  db: ChangesDb,
  { record, phase, view = '', status, job, message }: EventOf<'phase-reported'>,
  { at, account_id }: EntryFields,
): Promise<void> {
  const releases = await countReleases(db, record)
  const values = { status, job, message, releases, account_id, at }
  await db
    .insertInto('rebuilt_change_phases')
    .values({ record, phase, view, ...values })
    .onConflict((conflict) => conflict.columns(['record', 'phase', 'view']).doUpdateSet(values))
    .execute()
}

async function countReleases(db: ChangesDb, record: string): Promise<number> {
  const { count } = await db
    .selectFrom('rebuilt_change_releases')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('record', '=', record)
    .executeTakeFirstOrThrow()
  return count
}

/** A part of a change that only the ledger has, or only the rows. */
export interface DifferingChange {
  readonly record: string
  readonly isOfLedger: boolean
  readonly what: string
}

/** Lists at most `limit` differences of each kind between the rebuilt changes and the rows. */
export async function listDifferingChanges(db: ChangesDb, limit: number): Promise<DifferingChange[]> {
  const changes = { rebuilt: db.selectFrom('rebuilt_changes').select(CHANGE), rows: changeRows(db) }
  const releases = {
    rebuilt: db.selectFrom('rebuilt_change_releases').select(RELEASE),
    rows: releaseRows(db),
  }
  const phases = { rebuilt: db.selectFrom('rebuilt_change_phases').select(PHASE), rows: phaseRows(db) }
  return [
    ...(await changes.rebuilt.except(changes.rows).limit(limit).execute()).map(describer(true, 'the change')),
    ...(await changes.rows.except(changes.rebuilt).limit(limit).execute()).map(
      describer(false, 'the change'),
    ),
    ...(await releases.rebuilt.except(releases.rows).limit(limit).execute()).map(
      describer(true, 'the release'),
    ),
    ...(await releases.rows.except(releases.rebuilt).limit(limit).execute()).map(
      describer(false, 'the release'),
    ),
    ...(await phases.rebuilt.except(phases.rows).limit(limit).execute()).map(describer(true, 'the report')),
    ...(await phases.rows.except(phases.rebuilt).limit(limit).execute()).map(describer(false, 'the report')),
  ]
}

function describer(isOfLedger: boolean, what: string) {
  return (row: { readonly record: string }): DifferingChange => ({
    record: row.record,
    isOfLedger,
    what: `${what} ${JSON.stringify(row)}`,
  })
}

/** Lists the changes whose state does not sum up their phases, by their ids for clients. */
export async function listWrongStates(db: Db, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('changes')
    .select('public_id')
    .where(
      sql<boolean>`state <> CASE WHEN ${has('failed')} THEN 'failed' WHEN ${has('running')} THEN 'running' WHEN ${has('passed')} THEN 'passed' ELSE 'recorded' END`,
    )
    .limit(limit)
    .execute()
  return rows.map(({ public_id }) => public_id)
}

/** Returns an SQL condition on `changes`: a phase of the change has this status. */
function has(status: 'failed' | 'running' | 'passed') {
  return sql<boolean>`EXISTS (SELECT 1 FROM change_phases WHERE change_id = changes.id AND status = ${status})`
}

function changeRows(db: ChangesDb) {
  return db
    .selectFrom('changes')
    .leftJoin('origins', 'origins.id', 'changes.origin_id')
    .select([
      'changes.public_id as record',
      'changes.project',
      'origins.name as origin',
      'changes.change',
      'changes.commit_id',
      'changes.branch',
      'changes.url',
      'changes.targets',
      'changes.account_id',
      'changes.at',
    ])
    .$narrowType<{ origin: string }>()
}

function releaseRows(db: ChangesDb) {
  return db
    .selectFrom('change_releases')
    .innerJoin('changes', 'changes.id', 'change_releases.change_id')
    .leftJoin('releases', 'releases.id', 'change_releases.release_id')
    .select([
      'changes.public_id as record',
      'change_releases.position',
      sql<string>`releases.ident || ' ' || releases.target`.as('release'),
      'releases.checksum',
      'change_releases.replaced_by',
      'change_releases.at',
    ])
    .$narrowType<{ checksum: string }>()
}

function phaseRows(db: ChangesDb) {
  return db
    .selectFrom('change_phases')
    .innerJoin('changes', 'changes.id', 'change_phases.change_id')
    .select((eb) => [
      'changes.public_id as record',
      'change_phases.phase',
      'change_phases.view',
      eb.cast<string>('change_phases.status', 'text').as('status'),
      'change_phases.job',
      'change_phases.message',
      'change_phases.releases',
      'change_phases.account_id',
      'change_phases.at',
    ])
}
