import type { Db } from '../database/database.ts'
import type { ChangeRecord, PhaseReport } from './change-record.ts'

/** The value of `view` in rows of phases that run without a view. NULL cannot be part of a primary key. */
export const NO_VIEW = ''

/** Replaces the last report of a phase. The new one is about the releases that the change has now. */
export async function replacePhase(
  db: Db,
  { id, releases }: ChangeRecord,
  report: Omit<PhaseReport, 'by' | 'releaseCount'> & { accountId: number | undefined },
): Promise<void> {
  const values = {
    status: report.status,
    job: report.job ?? null,
    message: report.message ?? null,
    releases: releases.length,
    account_id: report.accountId ?? null,
    at: report.at,
  }
  await db
    .insertInto('change_phases')
    .values({ change_id: id, phase: report.phase, view: report.view ?? NO_VIEW, ...values })
    .onConflict((conflict) => conflict.columns(['change_id', 'phase', 'view']).doUpdateSet(values))
    .execute()
}

/** Lists the last reports with the ids of their changes, sorted by time. */
export async function listPhases(db: Db, changeIds: readonly number[]): Promise<[number, PhaseReport][]> {
  const rows = await db
    .selectFrom('change_phases')
    .leftJoin('accounts', 'accounts.id', 'change_phases.account_id')
    .select([
      'change_phases.change_id',
      'change_phases.phase',
      'change_phases.view',
      'change_phases.status',
      'change_phases.job',
      'change_phases.message',
      'change_phases.releases',
      'change_phases.at',
      'accounts.name as by',
    ])
    .where('change_phases.change_id', 'in', changeIds)
    .orderBy('change_phases.at')
    .orderBy('change_phases.phase')
    .orderBy('change_phases.view')
    .execute()
  return rows.map(({ change_id, view, job, message, by, releases, ...report }) => [
    change_id,
    {
      ...report,
      view: view === NO_VIEW ? undefined : view,
      job: job ?? undefined,
      message: message ?? undefined,
      releaseCount: releases,
      by: by ?? undefined,
    },
  ])
}
