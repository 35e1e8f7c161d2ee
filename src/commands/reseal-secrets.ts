import type { CommandContext } from '../ledger/command-context.ts'
import { replaceSealed } from '../origins/sealed-store.ts'
import type { Resealed } from '../origins/sealed-store.ts'

/**
 * Replaces ciphertexts of stored secrets by those that the submitter made with the key of the given id. A
 * secret that has changed meanwhile stays as it is. Returns how many were replaced.
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
