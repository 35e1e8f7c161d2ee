import { DepotError } from '../errors.ts'
import { didYouMean } from '../text/nearest.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { formatIdent, makeIdent, parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { parseTarget } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { readAccess } from './origin-access.ts'
import type { OriginAccess } from './origin-access.ts'
import { STABLE, UNSTABLE, parseViewName } from '../views/view.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import { describeDifference, expectAccount, listViewMembers, formatMember } from '../remote/destination.ts'
import type { Member } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import * as reads from '../remote/habitat-reads.ts'

// Plans an import: lists what the source has and the destination lacks. Planning writes nothing, and keeps no
// state between imports. A plan holds the names of missing items, about 300 bytes for each release.

export interface ImportOptions {
  readonly origins: readonly string[]
  /** Copies only these channels and the releases in them. `undefined` copies all. */
  readonly channels: readonly string[] | undefined
  readonly targets: readonly Target[] | undefined
  /** The new owner of copied origins that would otherwise belong to the token's account. */
  readonly owner: string | undefined
  /** Also looks for members of channels that only the destination has. */
  readonly findsSurplus?: boolean
}

export interface Plan {
  readonly origins: readonly PlannedOrigin[]
  /**
   * Releases that the destination has with other bytes, in the form of {@link formatMember}. They are not
   * promoted.
   */
  readonly differing: ReadonlySet<string>
}

export interface PlannedOrigin {
  readonly name: string
  readonly isNew: boolean
  readonly visibility: 'public' | 'private'
  /** The account that owns the origin at the destination, if it exists there. */
  readonly owner: string | undefined
  /** The account that owns the origin at the source, if the source says it. */
  readonly ownerAtSource: string | undefined
  /** Absent if the source is read without a token. */
  readonly access: OriginAccess | undefined
  /** The keys to copy. */
  readonly keys: readonly PublicKey[]
  readonly keysPresent: number
  readonly releases: readonly PlannedRelease[]
  readonly filesPresent: number
  readonly channels: readonly PlannedChannel[]
}

/** An ident, and the files of it that the destination lacks. */
export interface PlannedRelease {
  readonly ident: Ident
  /** `public` only if every target is public on both sides, because visibility applies to all targets. */
  readonly visibility: 'public' | 'private'
  readonly files: readonly PlannedFile[]
}

export interface PlannedFile {
  readonly target: Target
  readonly checksum: string
  /** `undefined` if the source does not say. */
  readonly sizeBytes: number | undefined
}

export interface PlannedChannel {
  readonly name: string
  readonly isNew: boolean
  readonly membersPresent: number
  /** The number of releases that are not members yet. */
  readonly joining: number
  /**
   * One list for each package, in the order of promotion. The last release of each target is the source's
   * `latest`, even if the destination already has it.
   */
  readonly promotions: readonly (readonly Member[])[]
  /** The members that the source's channel does not have, if they were looked for. */
  readonly surplus: readonly Member[]
}

const PARALLEL = 4

/** Compares both depots. Throws `refused` if the destination has no account with the owner's name. */
export async function planImport(transfer: Transfer, options: ImportOptions): Promise<Plan> {
  if (options.owner !== undefined) await expectAccount(transfer.destination, options.owner)
  const origins: PlannedOrigin[] = []
  const differing = new Set<string>()
  for (const name of options.origins) {
    const planned = await attempt(transfer, `the origin ${name}`, () =>
      planOrigin(transfer, name, { ...options, differing }),
    )
    if (planned !== undefined) origins.push(planned)
  }
  return { origins, differing }
}

type PlanOptions = ImportOptions & { readonly differing: Set<string> }

/** What the comparison of an origin's packages has found so far. */
interface Comparison {
  readonly releases: PlannedRelease[]
  filesPresent: number
  /** By the name of the channel. */
  readonly channels: Map<
    string,
    { membersPresent: number; joining: number; promotions: Member[][]; surplus: Member[] }
  >
}

/** Compares one origin. Reports an origin that the source does not have, and returns `undefined`. */
async function planOrigin(
  transfer: Transfer,
  name: string,
  options: PlanOptions,
): Promise<PlannedOrigin | undefined> {
  const { source, destination, reporter } = transfer
  reporter.begin(`comparing packages of ${name}`)
  const atSource = await reads.findOrigin(source, name)
  if (atSource === undefined) {
    reporter.fail(`the origin ${name}`, `${source.url} has no such origin`)
    return undefined
  }
  const atDestination = await reads.findOrigin(destination, name)
  const access = source.hasToken ? await readAccess(transfer, name) : undefined
  const keys = await planKeys(transfer, name)
  const channels = await channelsOf(transfer, name, options)
  const result: Comparison = {
    releases: [],
    filesPresent: 0,
    channels: new Map(
      channels.map((channel) => [channel, { membersPresent: 0, joining: 0, promotions: [], surplus: [] }]),
    ),
  }
  await each(packageNames(transfer, name, options), PARALLEL, async (packageName) => {
    await attempt(transfer, `the package ${name}/${packageName}`, () =>
      planPackage(transfer, { origin: name, name: packageName }, options, result),
    )
    reporter.advance()
  })
  const existingChannels = new Set([...(await reads.listChannels(destination, name)), STABLE])
  return {
    name,
    isNew: atDestination === undefined,
    visibility: atSource.default_package_visibility === 'public' ? 'public' : 'private',
    owner: atDestination?.owner_account ?? undefined,
    ownerAtSource: atSource.owner_account ?? undefined,
    access,
    ...keys,
    releases: result.releases,
    filesPresent: result.filesPresent,
    channels: [...result.channels]
      .filter(([channel]) => channel !== UNSTABLE)
      .map(([channel, members]) => ({ name: channel, isNew: !existingChannels.has(channel), ...members })),
  }
}

/** Compares the public keys of an origin. Reports keys that differ. */
async function planKeys(
  transfer: Transfer,
  origin: string,
): Promise<{ keys: PublicKey[]; keysPresent: number }> {
  const { source, destination } = transfer
  const atDestination = new Set(await reads.listKeyRevisions(destination, origin))
  const keys: PublicKey[] = []
  let keysPresent = 0
  for (const revision of (await reads.listKeyRevisions(source, origin)).toSorted()) {
    await attempt(transfer, `the key ${origin}-${revision}`, async () => {
      const key = await getKey(transfer, 'source', { origin, revision })
      if (!atDestination.has(revision)) keys.push(key)
      else if (key.raw.equals((await getKey(transfer, 'destination', key)).raw)) keysPresent += 1
      else
        transfer.reporter.fail(
          `the key ${formatKeyName(key)}`,
          'the destination has another key of this name',
        )
    })
  }
  return { keys, keysPresent }
}

/** Fetches a key from one of the depots. Throws `key_malformed` if it is malformed or has another name. */
async function getKey(
  transfer: Transfer,
  side: 'source' | 'destination',
  name: { origin: string; revision: string },
): Promise<PublicKey> {
  const key = parsePublicKey((await reads.findKey(transfer[side], name)) ?? '')
  if (formatKeyName(key) === formatKeyName(name)) return key
  throw new DepotError('key_malformed', `the key is ${formatKeyName(key)}, not ${formatKeyName(name)}`)
}

/** Lists the channels to compare. `unstable` is among them only if it was requested. */
async function channelsOf(
  { source, reporter }: Transfer,
  origin: string,
  { channels }: PlanOptions,
): Promise<string[]> {
  const atSource = [...new Set(await reads.listChannels(source, origin))]
  for (const missing of channels?.filter((name) => !atSource.includes(name)) ?? [])
    reporter.note(`${origin} has no channel ${missing}${didYouMean(missing, atSource)}`)
  return atSource.filter((name) => (channels === undefined ? name !== UNSTABLE : channels.includes(name)))
}

/**
 * Lists the packages to compare: those of the source and, with `findsSurplus`, then those that only the
 * destination has.
 */
async function* packageNames(
  { source, destination }: Transfer,
  origin: string,
  { findsSurplus = false }: PlanOptions,
): AsyncGenerator<string> {
  const atSource = new Set<string>()
  for await (const name of reads.listPackageNames(source, origin)) {
    if (findsSurplus) atSource.add(name)
    yield name
  }
  if (!findsSurplus) return
  for await (const name of reads.listPackageNames(destination, origin)) if (!atSource.has(name)) yield name
}

/**
 * Compares the releases of one package, and its members of each channel. A member does not count as surplus
 * if the source may have it, because a release or the channel could not be read there.
 */
async function planPackage(
  transfer: Transfer,
  { origin, name }: { origin: string; name: string },
  options: PlanOptions,
  result: Comparison,
): Promise<void> {
  const listed = new Map<string, { ident: Ident; targets: Target[] }>()
  let isWhole = true
  for await (const { version, release, platforms } of reads.listReleases(transfer.source, origin, name)) {
    const parts = { origin, name, version, release }
    const isRead = await attempt(transfer, formatIdent(parts), async () => {
      const ident = makeIdent(parts)
      listed.set(formatIdent(ident), { ident, targets: platforms.map(parseTarget) })
      return true
    })
    isWhole &&= isRead === true
  }
  const atDestination = new Set<string>()
  for await (const { version, release } of reads.listReleases(transfer.destination, origin, name))
    atDestination.add(formatIdent({ origin, name, version, release }))
  const members = new Map<string, Member[]>()
  for (const channel of result.channels.keys()) {
    const inChannel = await attempt(transfer, `the channel ${channel} of ${origin}`, () =>
      membersOf(transfer, { origin, channel: parseViewName(channel), name }, listed),
    )
    if (inChannel !== undefined) members.set(channel, inChannel)
  }
  const inAnyChannel = new Set([...members.values()].flat().map(formatMember))
  for (const [text, { ident, targets }] of listed) {
    const isWanted = (target: Target) =>
      (options.targets?.includes(target) ?? true) &&
      (options.channels === undefined || inAnyChannel.has(formatMember({ ident: text, target })))
    if (targets.some(isWanted))
      await attempt(transfer, text, () =>
        planRelease(
          transfer,
          { ident, targets, isWanted, isPresent: atDestination.has(text) },
          options,
          result,
        ),
      )
  }
  for (const [channel, inChannel] of members) {
    const wanted = inChannel.filter(({ target }) => options.targets?.includes(target) ?? true)
    const findsSurplus = options.findsSurplus === true && isWhole
    if (channel !== UNSTABLE && (wanted.length > 0 || findsSurplus))
      await planPromotion(
        transfer,
        { origin, channel, name },
        { wanted, options: { ...options, findsSurplus }, result },
      )
  }
}

/**
 * Lists the members that one package has in a channel. Builder lists them without targets, so an ident with
 * several targets needs a request for each.
 */
async function membersOf(
  { source }: Transfer,
  place: { origin: string; channel: string; name: string },
  listed: ReadonlyMap<string, { ident: Ident; targets: Target[] }>,
): Promise<Member[]> {
  const idents = new Set<string>()
  for await (const { version, release } of reads.listMembers(source, place))
    idents.add(formatIdent({ ...place, version, release }))
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

/** Compares one ident for all its targets. Reports releases that cannot be copied. */
async function planRelease(
  transfer: Transfer,
  release: {
    ident: Ident
    targets: readonly Target[]
    isWanted: (target: Target) => boolean
    isPresent: boolean
  },
  { differing }: PlanOptions,
  result: Comparison,
): Promise<void> {
  const { source, destination, reporter } = transfer
  const { ident, targets, isWanted, isPresent } = release
  const files: PlannedFile[] = []
  let isPublic = true
  for (const target of targets) {
    const name = formatMember({ ident: formatIdent(ident), target })
    const atSource = await reads.findRelease(source, ident, target)
    const atDestination = isPresent ? await reads.findRelease(destination, ident, target) : undefined
    isPublic &&=
      atSource?.visibility === 'public' &&
      (atDestination === undefined || atDestination.visibility === 'public')
    if (!isWanted(target)) continue
    if (atSource === undefined) {
      reporter.fail(name, 'the source lists the release but answers 404 for it')
      differing.add(name)
    } else if (atDestination === undefined) {
      files.push({ target, checksum: atSource.checksum, sizeBytes: atSource.size ?? undefined })
    } else if (atDestination.checksum !== atSource.checksum) {
      reporter.fail(name, describeDifference(atDestination.checksum, atSource.checksum))
      differing.add(name)
    } else {
      result.filesPresent += 1
      if ((atDestination.visibility === 'public') !== (atSource.visibility === 'public'))
        reporter.note(
          `${name} stays ${atDestination.visibility} at the destination; the source has it as ${atSource.visibility}`,
        )
    }
  }
  if (files.length > 0) result.releases.push({ ident, visibility: isPublic ? 'public' : 'private', files })
}

/** Plans the promotions of one package to a channel. */
async function planPromotion(
  { destination }: Transfer,
  place: { origin: string; channel: string; name: string },
  {
    wanted: members,
    options,
    result,
  }: { wanted: readonly Member[]; options: PlanOptions; result: Comparison },
): Promise<void> {
  const here = await listViewMembers(destination, place)
  const atDestination = new Set(here.map(formatMember))
  const channel = result.channels.get(place.channel)
  if (channel === undefined) return
  if (options.findsSurplus === true) {
    const atSource = new Set(members.map(formatMember))
    const compared = here.filter(({ target }) => options.targets?.includes(target) ?? true)
    channel.surplus.push(...compared.filter((member) => !atSource.has(formatMember(member))))
  }
  const promotion: Member[] = []
  for (const ofTarget of Map.groupBy(members, ({ target }) => target).values()) {
    const ascending = ofTarget.toSorted((a, b) => compareReleases(parseIdent(a.ident), parseIdent(b.ident)))
    const missing = ascending.filter((member) => !atDestination.has(formatMember(member)))
    channel.joining += missing.length
    channel.membersPresent += ascending.length - missing.length
    promotion.push(...missing)
    const highest = ascending.at(-1)
    // In views whose `latest` is the release promoted last, it must become the source's `latest`.
    if (missing.length > 0 && highest !== undefined && atDestination.has(formatMember(highest)))
      promotion.push(highest)
  }
  if (promotion.length > 0) channel.promotions.push(promotion)
}
