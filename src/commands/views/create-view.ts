import { DepotError } from '../../errors.ts'
import type { Change } from '../../ledger/command-context.ts'
import { parseViewName } from '../../views/view.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { View, ViewMaker } from '../../views/view.ts'
import { findView, getView, insertView, reopenView } from '../../revisions/view-store.ts'

/**
 * Creates a view, or reopens a closed one, which continues its revisions. Throws `invalid_request` for the name, and
 * `already_exists`.
 */
export async function createView(
  change: Change,
  input: { name: string; rule: ViewRule; maker: ViewMaker },
): Promise<View> {
  const name = parseViewName(input.name)
  const before = await findView(change.trx, name)
  if (before !== undefined && before.closedAt === undefined)
    throw new DepotError('already_exists', `the view ${name} exists already`)
  const { rule, maker } = input
  const viewId = before?.id ?? (await insertView(change.trx, { name, rule, maker, at: change.at }))
  if (before !== undefined) await reopenView(change.trx, before, { rule, maker })
  await change.record({ kind: 'view-created', view: name, rule, maker }, { viewId })
  return getView(change.trx, name)
}
