import { DEPOT_ACTOR } from '../access/access.ts'
import { getAccount } from '../accounts/account-store.ts'
import { ADMINISTRATOR } from '../commands/set-up.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { formatKeyName, formatPublicKey, isKeyRevision, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName } from '../hart/origin-key.ts'
import { findKey as findRecordedKey } from '../origins/origin-store.ts'
import { findKey, listKeyRevisions } from '../remote/habitat-reads.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

type KeyKeeper = Pick<Depot, 'db' | 'writer' | 'log'>

/** What {@link recordKey} did. `differs`: the depot has recorded another key of this name, and keeps it. */
export type KeyOutcome = 'added' | 'known' | 'absent' | 'differs'

/**
 * Records a public key of an upstream origin, if upstream has it. A recorded key never changes. Otherwise,
 * packages that it signed would no longer verify, and anybody who can change keys upstream could sign
 * packages of the origin. Throws `key_malformed`, and the errors of the source.
 */
export async function recordKey(depot: KeyKeeper, source: RemoteDepot, name: KeyName): Promise<KeyOutcome> {
  const text = await findKey(source, name)
  if (text === undefined) return 'absent'
  const key = parsePublicKey(text)
  if (formatKeyName(key) !== formatKeyName(name))
    throw new DepotError(
      'key_malformed',
      `upstream returned the key ${formatKeyName(key)} for ${formatKeyName(name)}`,
    )
  const recorded = await findRecordedKey(depot.db, name.origin, 'public', name.revision)
  if (recorded !== undefined) {
    if (parsePublicKey(recorded.body).raw.equals(key.raw)) return 'known'
    depot.log.error(
      { key: formatKeyName(name) },
      'upstream has another key of the same name as one that is recorded here: the recorded one stays. Somebody may be forging packages upstream',
    )
    return 'differs'
  }
  const { id: ownerId } = await getAccount(depot.db, ADMINISTRATOR)
  try {
    await depot.writer.submit({
      kind: 'addKey',
      input: { ...name, ownerId, publicBody: formatPublicKey(key), isFromUpstream: true },
      actor: DEPOT_ACTOR,
    })
  } catch (error) {
    if (error instanceof DepotError && error.code === 'already_exists') return 'known' // recorded meanwhile
    throw error
  }
  return 'added'
}

/**
 * Records all public keys of an upstream origin, and returns what became of each. Throws like
 * {@link recordKey}.
 */
export async function recordKeys(
  depot: KeyKeeper,
  source: RemoteDepot,
  origin: string,
): Promise<Map<string, KeyOutcome>> {
  const outcomes = new Map<string, KeyOutcome>()
  for (const revision of await listKeyRevisions(source, origin))
    if (isKeyRevision(revision)) outcomes.set(revision, await recordKey(depot, source, { origin, revision }))
  return outcomes
}

/**
 * Records all public keys of an upstream origin. Throws `upstream_failed` if upstream has another key of the
 * same name as a recorded one, and like {@link recordKey}.
 */
export async function recordKeysStrictly(
  depot: KeyKeeper,
  source: RemoteDepot,
  origin: string,
): Promise<void> {
  for (const [revision, outcome] of await recordKeys(depot, source, origin))
    if (outcome === 'differs')
      throw new DepotError(
        'upstream_failed',
        `upstream has another key ${formatKeyName({ origin, revision })} than the one that is recorded here, so somebody may be forging its packages`,
      )
}
