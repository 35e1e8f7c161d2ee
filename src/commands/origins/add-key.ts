import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { expectOwnOrigin, expectUpstreamOrigin } from './adopt-origin.ts'
import { findKey, getOrigin, insertKey } from '../../origins/origin-store.ts'

interface NewKey {
  readonly origin: string
  readonly revision: string
  readonly ownerId: number
  readonly publicBody?: string
  readonly secretBody?: string
  /** Whether the key comes from upstream. Upstream origins accept such keys alone, and others none. */
  readonly isFromUpstream?: boolean
}

/**
 * Stores one half of an origin's key, or both halves of a new pair. The bodies are key files. The submitter
 * has parsed them and has encrypted the secret half. Throws `not_found` for the origin,
 * `origin_from_upstream`, `refused` for a key of upstream if the origin does not come from there, and
 * `already_exists` for the revision.
 */
export async function addKey(
  context: CommandContext,
  { idempotency, ...input }: NewKey & { idempotency?: IdempotencyKey },
): Promise<{ revision: string }> {
  return runOnce(context, idempotency, SAME_RIGHT, () => insertNewKey(context, input))
}

async function insertNewKey(context: CommandContext, input: NewKey): Promise<{ revision: string }> {
  const { revision, ownerId } = input
  const origin = await getOrigin(context.trx, input.origin)
  if (input.isFromUpstream === true) expectUpstreamOrigin(origin)
  else expectOwnOrigin(origin, `the key ${origin.name}-${revision}`)
  for (const [kind, body] of [
    ['public', input.publicBody],
    ['secret', input.secretBody],
  ] as const) {
    if (body === undefined) continue
    if ((await findKey(context.trx, origin.name, kind, revision)) !== undefined) {
      throw new DepotError('already_exists', `the ${kind} key ${origin.name}-${revision} exists already`)
    }
    await insertKey(context.trx, { originId: origin.id, kind, revision, body, ownerId, at: context.at })
    await context.record(
      { kind: 'key-added', origin: origin.name, revision, key: kind },
      { originId: origin.id },
    )
  }
  return { revision }
}
