import type { DepotClient } from '../../client/client.ts'

/**
 * Checks that names exist in the depot. Throws a RequestRefused with status 404, which suggests a similar
 * name. Lists that are empty call this, so that a misspelled name is not taken for an empty result.
 */
export async function expectNamesExist(
  depot: DepotClient,
  { views = [], origins = [] }: { views?: readonly string[]; origins?: readonly string[] },
): Promise<void> {
  for (const view of views) await depot.getView({ view })
  for (const origin of origins) await depot.getOrigin({ origin })
}
