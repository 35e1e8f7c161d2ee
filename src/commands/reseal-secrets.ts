import type { CommandContext } from '../ledger/command-context.ts'
import { replaceSealed } from '../origins/sealed-store.ts'
import type { Resealed } from '../origins/sealed-store.ts'

/**
 * Replaces ciphertexts of stored secrets by new ones, which the submitter has made with another key. `key` is
 * the id of that key. A secret that has changed since the submitter read it stays as it is. Returns the
 * number of replaced secrets.
 */
export async function resealSecrets(
  context: CommandContext,
  { key, secrets }: { key: string; secrets: readonly Resealed[] },
): Promise<{ replaced: number }> {
  let replaced = 0
  for (const secret of secrets) if (await replaceSealed(context.trx, secret)) replaced += 1
  if (replaced > 0) await context.record({ kind: 'secrets-resealed', key, secrets: replaced })
  return { replaced }
}
