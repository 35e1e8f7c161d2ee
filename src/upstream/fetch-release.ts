import { Readable } from 'node:stream'
import { DEPOT_ACTOR } from '../access/access.ts'
import { getAccount } from '../accounts/account-store.ts'
import type { Pace } from '../backup/pace.ts'
import { ADMINISTRATOR } from '../commands/set-up.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import type { KeyName } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { incoming } from '../publishing/incoming.ts'
import { publish } from '../publishing/publish.ts'
import { findRelease } from '../remote/habitat-reads.ts'
import type { FoundRelease } from '../remote/habitat-reads.ts'
import { path } from '../remote/resource-path.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import type { Arrival } from './arriving.ts'

export interface ReleaseToFetch {
  readonly ident: Ident
  readonly target: Target
  /** Whether to fetch also a release that is not public upstream. It becomes private here. */
  readonly mayBePrivate: boolean
}

/**
 * Fetches a release from upstream and publishes it, with all checks of an upload. The signature is verified
 * whatever the settings say. `findKey` records the key of the signer, if upstream has it. Reports to
 * `arrival` which bytes can be passed on; the caller reports the outcome to it. `pace` limits the rate.
 * Returns the number of bytes that arrived, which is 0 if the release is here already. Throws `not_found`,
 * the errors of {@link publish}, and the errors of the source.
 */
export async function fetchRelease(
  depot: Depot,
  source: RemoteDepot,
  release: ReleaseToFetch,
  {
    arrival,
    findKey,
    pace,
  }: {
    arrival: Arrival
    findKey: (signer: KeyName) => Promise<void>
    pace?: Pace | undefined
  },
): Promise<number> {
  const { ident, target, mayBePrivate } = release
  const what = formatIdent(ident)
  const found = await findRelease(source, ident, target)
  if (found === undefined || found.target !== target || (found.visibility !== 'public' && !mayBePrivate))
    throw new DepotError('not_found', noRelease(source, what, target))
  const isPublic = found.visibility === 'public'
  const publisher = await getAccount(depot.db, ADMINISTRATOR)
  return source.download(path`depot/pkgs/${what}/download?target=${target}`, async (body, announcedBytes) => {
    const sizeBytes = sizeOf(found, announcedBytes, what)
    const arrived = counted(sizeBytes, what)
    try {
      await publish(depot, {
        ident,
        target,
        clientTarget: undefined,
        announcedBytes: sizeBytes,
        checksum: found.checksum,
        isForced: false,
        visibility: isPublic ? 'public' : 'private',
        upstream: {
          url: source.url.replace(/\/v1$/, ''),
          findKey,
          onWritten(file, bytes) {
            if (sizeBytes !== undefined)
              arrival.advance({ path: file, sizeBytes, checksum: found.checksum, isPublic }, bytes)
          },
        },
        open: async () =>
          incoming(
            pace === undefined ? body : Readable.from(paced(body, pace), { objectMode: false }),
            what,
            depot.limits,
            arrived.take,
          ),
        publisher: { accountId: publisher.id },
        actor: DEPOT_ACTOR,
      })
    } catch (error) {
      if (!(error instanceof DepotError && error.code === 'already_exists')) throw error
    }
    return arrived.bytes
  })
}

/** Says that upstream does not have a release, or hides it: a depot answers 404 in both cases. */
export function noRelease({ hasToken }: RemoteDepot, ident: string, target: Target): string {
  const hidden = hasToken ? ', or none that the token in DEPOT_UPSTREAM_TOKEN_FILE may see' : ''
  return `upstream has no release ${ident} for ${target}${hidden}`
}

/** Passes chunks on at the rate of `pace`. */
async function* paced(body: AsyncIterable<Buffer>, pace: Pace): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    await pace.take(chunk.length)
    yield chunk
  }
}

/**
 * Returns the size of a package from upstream's description of the release or, if Builder leaves it out
 * there, the length that the download announces. Throws `length_mismatch` if the two differ.
 */
function sizeOf(
  { size }: FoundRelease,
  announcedBytes: number | undefined,
  what: string,
): number | undefined {
  if (size !== undefined && size !== null && announcedBytes !== undefined && size !== announcedBytes)
    throw new DepotError(
      'length_mismatch',
      `the download of ${what} announces ${announcedBytes} bytes, but the release has ${size}`,
    )
  return size ?? announcedBytes
}

/** Counts arriving bytes. `take` throws `length_mismatch` if there are more than `sizeBytes`. */
function counted(
  sizeBytes: number | undefined,
  what: string,
): { bytes: number; take: (bytes: number) => void } {
  const count = {
    bytes: 0,
    take(bytes: number) {
      count.bytes += bytes
      if (sizeBytes !== undefined && count.bytes > sizeBytes)
        throw new DepotError('length_mismatch', `${what} has more than the announced ${sizeBytes} bytes`)
    },
  }
  return count
}
