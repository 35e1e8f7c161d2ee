import type { CommandContext } from '../../ledger/command-context.ts'
import { parsePatterns } from '../../origins/reserved-names.ts'
import { listReserved, setReserved } from '../../origins/reserved-store.ts'

/**
 * Reserves the names that match patterns, and ends other reservations. Existing origins stay as they are.
 * Returns the patterns, in order. Throws `invalid_request`.
 */
export async function reserveNames(
  context: CommandContext,
  { add = [], remove = [] }: { add?: readonly string[]; remove?: readonly string[] },
): Promise<string[]> {
  const before = await listReserved(context.trx)
  const after = parsePatterns([...before, ...add]).filter((pattern) => !remove.includes(pattern))
  if (after.join(' ') === before.join(' ')) return before
  await setReserved(context.trx, after)
  await context.record({ kind: 'names-reserved', patterns: after })
  return after
}
