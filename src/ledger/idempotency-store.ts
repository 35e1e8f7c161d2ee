import type { ExpressionBuilder } from 'kysely'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { DepotError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { CommandContext } from './command-context.ts'

/** The key that a client gives one of its requests, and a digest of the request. */
export interface IdempotencyKey {
  readonly key: string
  readonly requestHash: string
}

/** How long the outcome of a key is kept. */
const KEPT_MS = 7 * 86_400_000

/**
 * For commands whose callers need no further right to see the outcome. The writer checks the right to the
 * command itself, also when a request is repeated.
 */
export const SAME_RIGHT = { expectStillAllowed: async () => undefined }

/**
 * Runs `act` once for each key of an account. A repeated request gets the first outcome, unless
 * `expectStillAllowed` throws because the caller has lost the right to the outcome. Without a key or an
 * account, `act` always runs. Throws `idempotency_mismatch` if the key was used for another request.
 */
export async function runOnce<Outcome>(
  context: CommandContext,
  key: IdempotencyKey | undefined,
  { expectStillAllowed }: { expectStillAllowed: (stored: Outcome) => Promise<void> },
  act: () => Promise<Outcome>,
): Promise<Outcome> {
  const accountId = context.actor.accountId
  if (key === undefined || accountId === undefined) return act()
  const stored = await findOutcome(context, accountId, key)
  if (stored !== undefined) {
    await expectStillAllowed(stored as Outcome)
    return stored as Outcome
  }
  const outcome = await act()
  await deleteExpiredOutcomes(context.trx, context.clock)
  await storeOutcome(context.trx, accountId, key, outcome, context.clock.now)
  return outcome
}

/**
 * Finds the outcome stored for a key. Throws `idempotency_mismatch` if the key was used for another request.
 */
async function findOutcome(
  { trx, clock }: CommandContext,
  accountId: number,
  { key, requestHash }: IdempotencyKey,
): Promise<unknown> {
  const row = await trx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'outcome'])
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .where((eb) => eb.not(isExpired(eb, clock)))
    .executeTakeFirst()
  if (row === undefined) return undefined
  if (row.request_hash !== requestHash)
    throw new DepotError(
      'idempotency_mismatch',
      `the Idempotency-Key ${key} was already used for another request`,
    )
  return JSON.parse(row.outcome)
}

async function storeOutcome(
  db: Db,
  accountId: number,
  { key, requestHash }: IdempotencyKey,
  outcome: unknown,
  at: number,
): Promise<void> {
  await db
    .insertInto('idempotency_keys')
    .values({
      account_id: accountId,
      key,
      request_hash: requestHash,
      outcome: JSON.stringify(outcome),
      created_at: at,
    })
    .execute()
}

/**
 * Deletes expired outcomes. The age of an outcome that was stored while the clock ran ahead counts from the
 * time when the clock was set back.
 */
async function deleteExpiredOutcomes(db: Db, clock: Clock): Promise<void> {
  await db
    .deleteFrom('idempotency_keys')
    .where((eb) => isExpired(eb, clock))
    .execute()
}

function isExpired(eb: ExpressionBuilder<Schema, 'idempotency_keys'>, { now, setBackAt }: Clock) {
  const isOld = eb('created_at', '<', now - KEPT_MS)
  return setBackAt !== undefined && setBackAt < now - KEPT_MS
    ? eb.or([isOld, eb('created_at', '>', now)])
    : isOld
}
