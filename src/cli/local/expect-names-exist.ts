import { existsSync } from 'node:fs'
import { listAccounts } from '../../accounts/account-store.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, quote } from '../../errors.ts'
import { didYouMean } from '../../text/nearest.ts'
import { listOriginNames } from '../../origins/origin-store.ts'
import { listViews } from '../../revisions/view-store.ts'
import type { LocalConfig } from './data-folder.ts'
import { readDepot } from './read-depot.ts'

/** GivenNames on a command line that must exist in the depot. */
export interface GivenNames {
  readonly accounts?: readonly string[]
  readonly origins?: readonly string[]
  readonly views?: readonly string[]
}

/**
 * Checks that names exist in a depot. Throws `not_found`, with a similar name if there is one, and the errors
 * of {@link readDepot}. If the depot does not exist yet, accepts every name: the command that follows creates
 * the depot and rejects unknown names.
 */
export async function expectNamesExist(
  config: LocalConfig,
  { accounts = [], origins = [], views = [] }: GivenNames,
): Promise<void> {
  const { database } = config
  if (database.engine === 'sqlite' && !existsSync(database.file)) return
  await readDepot(config, async (db: Db) => {
    if (accounts.length > 0)
      expectAmong(
        'account',
        accounts,
        (await listAccounts(db)).map(({ name }) => name),
      )
    if (origins.length > 0) expectAmong('origin', origins, await listOriginNames(db))
    if (views.length > 0)
      expectAmong(
        'view',
        views,
        (await listViews(db)).map(({ name }) => name),
      )
  })
}

function expectAmong(kind: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new DepotError('not_found', `there is no ${kind} ${quote(unknown)}${didYouMean(unknown, known)}`)
}
