import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../database/database.ts'
import { NO_VIEW } from './phase-store.ts'

/** How long a lease lasts after it was taken or renewed. */
export const LEASE_MS = 60_000

/** A phase of a change. */
export interface LeasedPhase {
  readonly changeId: number
  readonly phase: string
  /** `undefined` for phases that run once for the change. */
  readonly view: string | undefined
}

/** The right of one holder to run a phase. */
export interface Lease {
  /** Rises each time the phase is leased. A holder with a lower number has lost the phase. */
  readonly fence: number
  readonly holder: string
  /** When the lease ends, in epoch milliseconds; `undefined` if its holder has ended it. */
  readonly expiresAt: number | undefined
}

/** Finds the last lease of a phase. It may have ended. */
export async function findLease(
  db: Db,
  { changeId, phase, view }: LeasedPhase,
  clock: Clock,
): Promise<Lease | undefined> {
  const row = await db
    .selectFrom('change_leases')
    .select(['fence', 'holder', 'renewed_at'])
    .where('change_id', '=', changeId)
    .where('phase', '=', phase)
    .where('view', '=', view ?? NO_VIEW)
    .executeTakeFirst()
  return (
    row && {
      fence: row.fence,
      holder: row.holder,
      expiresAt: row.renewed_at === null ? undefined : durationStart(row.renewed_at, clock) + LEASE_MS,
    }
  )
}

/** Replaces the lease of a phase. Without `renewedAt`, the lease has ended. */
export async function saveLease(
  db: Db,
  { changeId, phase, view }: LeasedPhase,
  lease: { fence: number; holder: string; renewedAt: number | undefined },
): Promise<void> {
  const values = { fence: lease.fence, holder: lease.holder, renewed_at: lease.renewedAt ?? null }
  await db
    .insertInto('change_leases')
    .values({ change_id: changeId, phase, view: view ?? NO_VIEW, ...values })
    .onConflict((conflict) => conflict.columns(['change_id', 'phase', 'view']).doUpdateSet(values))
    .execute()
}

/** Reports whether the holder of a lease may still run its phase. */
export function isHeld({ expiresAt = 0 }: Lease, { now }: Clock): boolean {
  return expiresAt > now
}
