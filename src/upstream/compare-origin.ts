import { UNRESTRICTED_AUDIENCE } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { parsePublicKey } from '../hart/origin-key.ts'
import { findKey as findKeyHere, listKeyRevisions as listKeysHere } from '../origins/origin-store.ts'
import { parseIdent, releaseKey } from '../package/ident.ts'
import { listPackagesAfter, listReleasesOf } from '../releases/package-list-store.ts'
import type { ListedRelease, ReleasePlace } from '../releases/package-list-store.ts'
import { each } from '../remote/each.ts'
import { findKey, findRelease, listKeyRevisions } from '../remote/habitat-reads.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

/** How the releases and the public keys of an origin here compare with those of upstream. */
export interface OriginComparison {
  /** How many releases upstream has with the same bytes. */
  same: number
  /** Releases, as `ident target`, that upstream has with other bytes. */
  readonly differing: string[]
  /** Releases, as `ident target`, that upstream does not have. */
  readonly onlyHere: string[]
  /** The revisions of keys that upstream has with other bytes. */
  readonly differingKeys: string[]
  /** The revisions of keys that upstream does not have. */
  readonly keysOnlyHere: string[]
}

const PARALLEL = 8
const PAGE_SIZE = 1_000

/** Compares an origin with upstream, which is asked for each release. Throws the errors of the source. */
export async function compareOrigin(db: Db, source: RemoteDepot, origin: string): Promise<OriginComparison> {
  const found: OriginComparison = {
    same: 0,
    differing: [],
    onlyHere: [],
    differingKeys: [],
    keysOnlyHere: [],
  }
  await each(releasesOf(db, origin), PARALLEL, async ({ ident, target, checksum }) => {
    const there = await findRelease(source, parseIdent(ident), target)
    if (there?.target !== target) found.onlyHere.push(releaseKey({ ident, target }))
    else if (there.checksum !== checksum) found.differing.push(releaseKey({ ident, target }))
    else found.same += 1
  })
  const known = new Set(await listKeyRevisions(source, origin))
  for (const revision of await listKeysHere(db, origin, 'public')) {
    const [here, there] = [
      await findKeyHere(db, origin, 'public', revision),
      known.has(revision) ? await findKey(source, { origin, revision }) : undefined,
    ]
    if (here === undefined || there === undefined) found.keysOnlyHere.push(revision)
    else if (!parsePublicKey(here.body).raw.equals(parsePublicKey(there).raw))
      found.differingKeys.push(revision)
  }
  found.differing.sort()
  found.onlyHere.sort()
  return found
}

async function* releasesOf(db: Db, origin: string): AsyncGenerator<ListedRelease> {
  for (let after: string | undefined; ;) {
    const packages = await listPackagesAfter(db, origin, { after, limit: PAGE_SIZE }, UNRESTRICTED_AUDIENCE)
    for (const { package: listed } of packages) yield* releasesOfPackage(db, origin, listed.name)
    after = packages.at(-1)?.package.name
    if (after === undefined) return
  }
}

async function* releasesOfPackage(db: Db, origin: string, name: string): AsyncGenerator<ListedRelease> {
  const of = { origin, name, version: undefined }
  for (let after: ReleasePlace | undefined; ;) {
    const page = await listReleasesOf(db, of, { after, limit: PAGE_SIZE }, UNRESTRICTED_AUDIENCE)
    yield* page
    after = page.at(-1)?.place
    if (after === undefined) return
  }
}
