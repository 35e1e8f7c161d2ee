import { DepotError } from '../errors.ts'
import { didYouMean } from '../text/nearest.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { formatIdent, makeIdent, parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { parseTarget } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { UNSTABLE, parseViewName } from '../views/view.ts'
import { attempt } from '../remote/attempt.ts'
import type { Ends } from '../remote/attempt.ts'
import { differ, expectAccount, listViewMembers, nameOf } from '../remote/destination.ts'
import type { Member } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import * as reads from '../remote/habitat-reads.ts'

// Plans an import: lists what the source has and the destination lacks. Planning writes nothing, and keeps no state between
// imports. A plan holds the names of missing items, about 300 bytes for each release.

export interface ImportOptions {
  readonly origins: readonly string[]
  /** Only these channels, and only releases that are in one of them; all, when absent. */
  readonly channels: readonly string[] | undefined
  readonly targets: readonly Target[] | undefined
  /** Whom the origins shall belong to that are the token's account's; nobody else, when absent. */
  readonly owner: string | undefined
}

export interface Plan {
  readonly origins: readonly PlannedOrigin[]
  /** As {@link nameOf} has them: what the destination holds other bytes of, and so must not promote. */
  readonly differing: ReadonlySet<string>
}

export interface PlannedOrigin {
  readonly name: string
  readonly isNew: boolean
  readonly visibility: 'public' | 'private'
  /** Who has it at the destination. */
  readonly owner: string | undefined
  /** Those to copy. */
  readonly keys: readonly PublicKey[]
  readonly keysHere: number
  readonly releases: readonly PlannedRelease[]
  readonly filesHere: number
  readonly channels: readonly PlannedChannel[]
}

/** An ident, and what is missing of it. */
export interface PlannedRelease {
  readonly ident: Ident
  /** `private` where it is not public, here or there, for one of its targets: a visibility is set for all of them. */
  readonly visibility: 'public' | 'private'
  readonly files: readonly PlannedFile[]
}

export interface PlannedFile {
  readonly target: Target
  readonly checksum: string
  readonly sizeBytes: number | undefined
}

export interface PlannedChannel {
  readonly name: string
  readonly isNew: boolean
  readonly membersHere: number
  readonly joining: number
  /** By package, in the order they are promoted in. The last of a target is what `latest` of the source is, though it be here already. */
  readonly promotions: readonly (readonly Member[])[]
}

const PARALLEL = 4

/** Throws where the destination has no account of the owner's name. */
export async function planImport(ends: Ends, options: ImportOptions): Promise<Plan> {
  if (options.owner !== undefined) await expectAccount(ends.destination, options.owner)
  const origins: PlannedOrigin[] = []
  const differing = new Set<string>()
  for (const name of options.origins) {
    const planned = await attempt(ends, `the origin ${name}`, () =>
      planOrigin(ends, name, { ...options, differing }),
    )
    if (planned !== undefined) origins.push(planned)
  }
  return { origins, differing }
}

type Asked = ImportOptions & { readonly differing: Set<string> }

interface Found {
  readonly releases: PlannedRelease[]
  filesHere: number
  /** By the channel's name. */
  readonly channels: Map<string, { membersHere: number; joining: number; promotions: Member[][] }>
}

async function planOrigin(ends: Ends, name: string, asked: Asked): Promise<PlannedOrigin | undefined> {
  const { source, destination, watcher } = ends
  watcher.begin(`comparing packages of ${name}`)
  const there = await reads.findOrigin(source, name)
  if (there === undefined) {
    watcher.fail(`the origin ${name}`, `${source.url} has no such origin`)
    return undefined
  }
  const here = await reads.findOrigin(destination, name)
  const keys = await planKeys(ends, name)
  const channels = await channelsOf(ends, name, asked)
  const found: Found = {
    releases: [],
    filesHere: 0,
    channels: new Map(channels.map((channel) => [channel, { membersHere: 0, joining: 0, promotions: [] }])),
  }
  await each(reads.listPackageNames(source, name), PARALLEL, async (packageName) => {
    await attempt(ends, `the package ${name}/${packageName}`, () =>
      planPackage(ends, { origin: name, name: packageName }, asked, found),
    )
    watcher.advance()
  })
  const channelsHere = new Set([...(await reads.listChannels(destination, name)), 'stable'])
  return {
    name,
    isNew: here === undefined,
    visibility: there.default_package_visibility === 'public' ? 'public' : 'private',
    owner: here?.owner_account ?? undefined,
    ...keys,
    releases: found.releases,
    filesHere: found.filesHere,
    channels: [...found.channels]
      .filter(([channel]) => channel !== UNSTABLE)
      .map(([channel, members]) => ({ name: channel, isNew: !channelsHere.has(channel), ...members })),
  }
}

async function planKeys(ends: Ends, origin: string): Promise<{ keys: PublicKey[]; keysHere: number }> {
  const { source, destination } = ends
  const here = new Set(await reads.listKeyRevisions(destination, origin))
  const keys: PublicKey[] = []
  let keysHere = 0
  for (const revision of (await reads.listKeyRevisions(source, origin)).toSorted()) {
    await attempt(ends, `the key ${origin}-${revision}`, async () => {
      const key = await getKey(ends, 'source', { origin, revision })
      if (!here.has(revision)) keys.push(key)
      else if (key.raw.equals((await getKey(ends, 'destination', key)).raw)) keysHere += 1
      else ends.watcher.fail(`the key ${formatKeyName(key)}`, 'the destination has another key of this name')
    })
  }
  return { keys, keysHere }
}

/** Throws `key_malformed`, also for a key of another name. */
async function getKey(
  ends: Ends,
  side: 'source' | 'destination',
  name: { origin: string; revision: string },
): Promise<PublicKey> {
  const key = parsePublicKey((await reads.findKey(ends[side], name)) ?? '')
  if (formatKeyName(key) === formatKeyName(name)) return key
  throw new DepotError('key_malformed', `the key is ${formatKeyName(key)}, not ${formatKeyName(name)}`)
}

async function channelsOf({ source, watcher }: Ends, origin: string, { channels }: Asked): Promise<string[]> {
  const there = [...new Set(await reads.listChannels(source, origin))]
  for (const missing of channels?.filter((name) => !there.includes(name)) ?? [])
    watcher.note(`${origin} has no channel ${missing}${didYouMean(missing, there)}`)
  return there.filter((name) => (channels === undefined ? name !== UNSTABLE : channels.includes(name)))
}

async function planPackage(
  ends: Ends,
  { origin, name }: { origin: string; name: string },
  asked: Asked,
  found: Found,
): Promise<void> {
  const listed = new Map<string, { ident: Ident; targets: Target[] }>()
  for await (const { version, release, platforms } of reads.listReleases(ends.source, origin, name)) {
    const parts = { origin, name, version, release }
    await attempt(ends, formatIdent(parts), async () => {
      const ident = makeIdent(parts)
      listed.set(formatIdent(ident), { ident, targets: platforms.map(parseTarget) })
    })
  }
  const here = new Set<string>()
  for await (const { version, release } of reads.listReleases(ends.destination, origin, name))
    here.add(formatIdent({ origin, name, version, release }))
  const members = new Map<string, Member[]>()
  for (const channel of found.channels.keys()) {
    const inChannel = await attempt(ends, `the channel ${channel} of ${origin}`, () =>
      membersOf(ends, { origin, channel: parseViewName(channel), name }, listed),
    )
    members.set(channel, inChannel ?? [])
  }
  const inAny = new Set([...members.values()].flat().map(nameOf))
  for (const [text, { ident, targets }] of listed) {
    const isWanted = (target: Target) =>
      (asked.targets?.includes(target) ?? true) &&
      (asked.channels === undefined || inAny.has(nameOf({ ident: text, target })))
    if (targets.some(isWanted))
      await attempt(ends, text, () =>
        planRelease(ends, { ident, targets, isWanted, isHere: here.has(text) }, asked, found),
      )
  }
  for (const [channel, inChannel] of members) {
    const wanted = inChannel.filter(({ target }) => asked.targets?.includes(target) ?? true)
    if (channel !== UNSTABLE && wanted.length > 0)
      await planPromotion(ends, { origin, channel, name }, wanted, found)
  }
}

/** A channel's list has no targets. An ident of one target needs none; any other is asked for by each. */
async function membersOf(
  { source }: Ends,
  place: { origin: string; channel: string; name: string },
  listed: ReadonlyMap<string, { ident: Ident; targets: Target[] }>,
): Promise<Member[]> {
  const idents = new Set<string>()
  for await (const { version, release } of reads.listMembers(source, place))
    idents.add(`${place.origin}/${place.name}/${version}/${release}`)
  const members: Member[] = []
  for (const text of idents) {
    const { ident, targets = [] } = listed.get(text) ?? {}
    for (const target of targets) {
      if (
        ident !== undefined &&
        (targets.length === 1 || (await reads.isMember(source, place.channel, ident, target)))
      )
        members.push({ ident: text, target })
    }
  }
  return members
}

async function planRelease(
  ends: Ends,
  release: {
    ident: Ident
    targets: readonly Target[]
    isWanted: (target: Target) => boolean
    isHere: boolean
  },
  { differing }: Asked,
  found: Found,
): Promise<void> {
  const { source, destination, watcher } = ends
  const { ident, targets, isWanted, isHere } = release
  const files: PlannedFile[] = []
  let isPublic = true
  for (const target of targets) {
    const name = nameOf({ ident: formatIdent(ident), target })
    const there = await reads.findRelease(source, ident, target)
    const here = isHere ? await reads.findRelease(destination, ident, target) : undefined
    isPublic &&= there?.visibility === 'public' && (here === undefined || here.visibility === 'public')
    if (!isWanted(target)) continue
    if (there === undefined) {
      watcher.fail(name, 'the source lists it and does not show it')
      differing.add(name)
    } else if (here === undefined) {
      files.push({ target, checksum: there.checksum, sizeBytes: there.size ?? undefined })
    } else if (here.checksum !== there.checksum) {
      watcher.fail(name, differ(here.checksum, there.checksum))
      differing.add(name)
    } else {
      found.filesHere += 1
      if ((here.visibility === 'public') !== (there.visibility === 'public'))
        watcher.note(`${name} is ${here.visibility} here and ${there.visibility} there, and stays so`)
    }
  }
  if (files.length > 0) found.releases.push({ ident, visibility: isPublic ? 'public' : 'private', files })
}

async function planPromotion(
  { destination }: Ends,
  place: { origin: string; channel: string; name: string },
  members: readonly Member[],
  found: Found,
): Promise<void> {
  const here = new Set((await listViewMembers(destination, place)).map(nameOf))
  const channel = found.channels.get(place.channel)
  if (channel === undefined) return
  const promotion: Member[] = []
  for (const ofTarget of Map.groupBy(members, ({ target }) => target).values()) {
    const ascending = ofTarget.toSorted((a, b) => compareReleases(parseIdent(a.ident), parseIdent(b.ident)))
    const missing = ascending.filter((member) => !here.has(nameOf(member)))
    channel.joining += missing.length
    channel.membersHere += ascending.length - missing.length
    promotion.push(...missing)
    const highest = ascending.at(-1)
    // Where the one promoted last is what `latest` answers, it must be the source's `latest`.
    if (missing.length > 0 && highest !== undefined && here.has(nameOf(highest))) promotion.push(highest)
  }
  if (promotion.length > 0) channel.promotions.push(promotion)
}
