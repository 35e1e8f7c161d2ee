import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { parseViewName } from '../../views/view.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { View, ViewMaker } from '../../views/view.ts'
import { findView, getView, insertView, reopenView } from '../../revisions/view-store.ts'

interface NewView {
  readonly name: string
  readonly rule: ViewRule
  readonly maker: ViewMaker
}

/**
 * Creates a view, or reopens a closed one, which continues its revisions. Throws `invalid_request` for the
 * name, and `already_exists`.
 */
export async function createView(
  context: CommandContext,
  { idempotency, ...input }: NewView & { idempotency?: IdempotencyKey },
): Promise<View> {
  const { name } = await runOnce(context, idempotency, SAME_RIGHT, () => insertNewView(context, input))
  return getView(context.trx, name)
}

async function insertNewView(context: CommandContext, input: NewView): Promise<{ name: string }> {
  const name = parseViewName(input.name)
  const before = await findView(context.trx, name)
  if (before !== undefined && before.closedAt === undefined)
    throw new DepotError('already_exists', `the view ${name} exists already`)
  const { rule, maker } = input
  const viewId = before?.id ?? (await insertView(context.trx, { name, rule, maker, at: context.at }))
  if (before !== undefined) await reopenView(context.trx, before, { rule, maker })
  await context.record({ kind: 'view-created', view: name, rule, maker }, { viewId })
  return { name }
}
