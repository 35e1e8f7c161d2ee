import type { LockedRelease } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { parseIdent } from '../package/ident.ts'
import { attempt } from '../remote/attempt.ts'
import type { Reporter } from '../remote/attempt.ts'
import { addKey, createOrigin, formatMember, promote } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import type { FindKey, ExpectedHart } from '../remote/fetch-hart.ts'
import { uploadHart } from '../remote/upload-hart.ts'
import type { Bundle } from './bundle.ts'
import { promotedSet, promotesAnything } from './plan-pull.ts'
import type { PullTransfer, PullPlan } from './plan-pull.ts'
import type { PullSource } from './source.ts'

/** How much a pull or a save has copied. */
export interface Pulled {
  origins: number
  keys: number
  releases: number
  bytes: number
  /** The number of items that failed. The reporter has received each. */
  failures: number
  /** The revision after the promotion, and whether it is new. `undefined` without a promotion. */
  promotion: { readonly revision: number; readonly changed: boolean } | undefined
}

const PARALLEL = 4

/**
 * Carries out a plan: origins and keys, then packages, then one promotion of every `latest`. Skips the
 * promotion if anything is still missing. If the pull is aborted, the next plan contains the rest. Throws the
 * refusal of the promotion.
 */
export async function pull(transfer: PullTransfer, plan: PullPlan): Promise<Pulled> {
  const { source, destination, reporter } = transfer
  const { expected } = plan
  const { lockfile, into } = plan.request
  const pulled: Pulled = {
    origins: 0,
    keys: 0,
    releases: 0,
    bytes: 0,
    failures: plan.failures,
    promotion: undefined,
  }
  const tryItem = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    const done = await attempt(transfer, what, act)
    if (done === undefined) pulled.failures += 1
    return done
  }

  const origins = await createOrigins(transfer, plan, pulled, tryItem)
  const findKey = keyFinder(lockfile)
  reporter.begin('fetching releases', plan.missing.length)
  await each(plan.missing, PARALLEL, async (release) => {
    const hart = expectedHart(release)
    if (origins.has(hart.ident.origin)) {
      const visibility = release.isPrivate ? 'private' : 'public'
      const isUploaded = await tryItem(formatMember(release), () =>
        source.withHart(hart, findKey, async (file) => {
          await uploadHart(destination, { ...hart, visibility }, file)
          return true
        }),
      )
      if (isUploaded === true) {
        pulled.releases += 1
        pulled.bytes += release.sizeBytes
      }
    }
    reporter.advance()
  })

  if (pulled.failures > 0 || !promotesAnything(plan.request)) return pulled
  reporter.begin(`promoting into ${into}`)
  pulled.promotion = await promote(destination, into, {
    set: promotedSet(plan.request),
    reason: `pull of ${lockfile.view}@${lockfile.revision} from ${source.provenanceOf(lockfile)}`,
    expectRevision: expected,
  })
  return pulled
}

/** Creates the missing origins and keys. Returns the names of the origins that have all their keys now. */
async function createOrigins(
  { destination, reporter }: PullTransfer,
  { origins }: PullPlan,
  pulled: Pulled,
  tryItem: <T>(what: string, act: () => Promise<T>) => Promise<T | undefined>,
): Promise<ReadonlySet<string>> {
  reporter.begin('creating origins and keys', origins.length)
  const complete = new Set<string>()
  for (const { name, isNew, visibility, keys } of origins) {
    const isComplete = await tryItem(`the origin ${name}`, async () => {
      if (isNew) await createOrigin(destination, name, visibility)
      pulled.origins += Number(isNew)
      for (const { key, file } of keys) {
        await addKey(destination, key, file)
        pulled.keys += 1
      }
      return true
    })
    if (isComplete === true) complete.add(name)
    reporter.advance()
  }
  return complete
}

/**
 * Writes a lockfile and its packages to a folder. Skips existing packages, so an aborted save can be
 * repeated. Writes the lockfile last, and only if no package is missing.
 */
export async function save(
  { source, reporter }: { source: PullSource; reporter: Reporter },
  { text, lockfile }: { text: string; lockfile: SignedLockfile },
  bundle: Bundle,
): Promise<Pulled> {
  const saved: Pulled = { origins: 0, keys: 0, releases: 0, bytes: 0, failures: 0, promotion: undefined }
  const findKey = keyFinder(lockfile)
  reporter.begin('saving releases', lockfile.releases.length)
  await each(lockfile.releases, PARALLEL, async (release) => {
    const hart = expectedHart(release)
    const isFetched = await attempt(
      { source, destination: bundle, reporter },
      formatMember(release),
      async () => {
        if (await bundle.has(hart, findKey)) return false
        await source.withHart(hart, findKey, (file) => bundle.keep(hart, file))
        return true
      },
    )
    if (isFetched === undefined) saved.failures += 1
    if (isFetched === true) {
      saved.releases += 1
      saved.bytes += release.sizeBytes
    }
    reporter.advance()
  })
  if (saved.failures === 0) await bundle.finish(text, await source.readKey(lockfile.key.id))
  return saved
}

function expectedHart({ ident, target, checksum, sizeBytes }: LockedRelease): ExpectedHart {
  return { ident: parseIdent(ident), target, checksum, sizeBytes }
}

/** Returns a lookup of the origin keys that a lockfile contains. */
function keyFinder({ originKeys }: SignedLockfile): FindKey {
  const keys = new Map<string, PublicKey>(originKeys.map(({ name, text }) => [name, parsePublicKey(text)]))
  return (signer) => keys.get(formatKeyName(signer))
}
