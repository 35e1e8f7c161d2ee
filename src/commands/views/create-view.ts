import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { parseViewName } from '../../views/view.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { View, ViewMaker } from '../../views/view.ts'
import { findView, getView, insertView, reopenView } from '../../revisions/view-store.ts'

/**
 * Creates a view, or reopens a closed one, which continues its revisions. Throws `invalid_request` for the
 * name, and `already_exists`.
 */
export async function createView(
  context: CommandContext,
  input: { name: string; rule: ViewRule; maker: ViewMaker },
): Promise<View> {
  const name = parseViewName(input.name)
  const before = await findView(context.trx, name)
  if (before !== undefined && before.closedAt === undefined)
    throw new DepotError('already_exists', `the view ${name} exists already`)
  const { rule, maker } = input
  const viewId = before?.id ?? (await insertView(context.trx, { name, rule, maker, at: context.at }))
  if (before !== undefined) await reopenView(context.trx, before, { rule, maker })
  await context.record({ kind: 'view-created', view: name, rule, maker }, { viewId })
  return getView(context.trx, name)
}
