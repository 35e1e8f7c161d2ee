import { commandsOn } from '../command.ts'
import { makeOrigin, publishAll } from '../origin.ts'
import { furnished } from '../start-depot.ts'

export const [OLD, NEW] = ['acme/app/1.0.0/20260101000000', 'acme/app/1.1.0/20260101000000'] as const
export const OTHER = 'acme/lib/1.0.0/20260101000000'

/**
 * Starts a depot whose view `union` has had OLD at revision 1, NEW at revision 2, and OTHER besides at
 * revision 3.
 */
export const startMoved = furnished(async (started) => {
  await makeOrigin(started)
  await publishAll(started, OLD, NEW, OTHER)
  const run = commandsOn(started)
  for (const ident of [OLD, NEW, OTHER]) await run(['promote', 'union', ident])
})

/** Runs a command with `--json`, and parses what it prints. */
export async function json<Document>(
  run: ReturnType<typeof commandsOn>,
  ...args: string[]
): Promise<Document> {
  return JSON.parse((await run([...args, '--json'])).stdout) as Document
}
