import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DepotError } from '../errors.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName, PublicKey } from '../hart/origin-key.ts'
import { formatIdent, parseIdent } from '../package/ident.ts'
import { copyAccess } from './origin-access.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import * as destinations from '../remote/destination.ts'
import { formatMember } from '../remote/destination.ts'
import type { Member } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import { fetchHart } from '../remote/fetch-hart.ts'
import { findKey } from '../remote/habitat-reads.ts'
import { hasAccount } from '../remote/origin-access.ts'
import { uploadHart } from '../remote/upload-hart.ts'
import type { Plan, PlannedChannel, PlannedFile, PlannedOrigin, PlannedRelease } from './plan.ts'

export interface CopyOptions {
  /** A temporary folder. It holds at most as many packages as are copied at once. */
  readonly folder: string
  /** The account of the destination's token. */
  readonly account: string
  /** The new owner of copied origins that would otherwise belong to `account`. */
  readonly owner: string | undefined
  /** Creates the accounts of members that the destination lacks. */
  readonly createsAccounts?: boolean
  /** Demotes the members of channels that only the destination has. */
  readonly isExact?: boolean
  /** Leaves packages whose signer's key the source has lost to the destination, which may accept them. */
  readonly acceptsUnknownSigners?: boolean
}

/** The numbers of copied items. */
export interface Copied {
  origins: number
  keys: number
  /** Files: an ident counts once for each target. */
  releases: number
  bytes: number
  channels: number
  /** Releases that were promoted to a channel. */
  members: number
  /** Releases that were demoted from a channel. */
  demoted: number
  accounts: number
  /** Members of origins. */
  people: number
  secretKeys: number
}

const PARALLEL = 4
const MAX_RELEASES_PER_PROMOTION = 500

/**
 * Carries out a plan: origins and keys, then packages, then channels, so that a channel never has a package
 * whose dependencies are missing. If it is aborted, the next plan contains the rest.
 */
export async function copy(transfer: Transfer, plan: Plan, options: CopyOptions): Promise<Copied> {
  const { reporter } = transfer
  const copied: Copied = {
    origins: 0,
    keys: 0,
    releases: 0,
    bytes: 0,
    channels: 0,
    members: 0,
    demoted: 0,
    accounts: 0,
    people: 0,
    secretKeys: 0,
  }
  reporter.begin('copying origins and keys', plan.origins.length)
  const origins: PlannedOrigin[] = []
  for (const origin of plan.origins) {
    const isReady = await attempt(transfer, `the origin ${origin.name}`, async () => {
      await copyOrigin(transfer, origin, options, copied)
      return true
    })
    if (isReady === true) origins.push(origin)
    reporter.advance()
  }

  const failed = new Set(plan.differing)
  const signers = new Signers(transfer)
  const releases = origins.flatMap((origin) => origin.releases)
  reporter.begin(
    'copying releases',
    releases.reduce((sum, { files }) => sum + files.length, 0),
  )
  await each(releases, PARALLEL, async (release) => {
    for (const file of release.files) {
      const name = formatMember({ ident: formatIdent(release.ident), target: file.target })
      const bytes = await attempt(transfer, name, () =>
        copyFile(transfer, release, file, { ...options, signers }),
      )
      if (bytes === undefined) failed.add(name)
      else {
        copied.releases += 1
        copied.bytes += bytes
      }
      reporter.advance()
    }
  })

  const channels = origins.flatMap((origin) => origin.channels.map((channel) => ({ origin, channel })))
  reporter.begin('copying channels', channels.length)
  for (const { origin, channel } of channels) {
    await attempt(transfer, `the channel ${channel.name} of ${origin.name}`, () =>
      copyChannel(transfer, origin, channel, { failed, copied, isExact: options.isExact }),
    )
    reporter.advance()
  }
  return copied
}

/**
 * Creates an origin if it is new, adds its keys and members, and transfers it to its new owner: the one that
 * was given, or that of the source if the destination has such an account. An origin that another account
 * owns keeps its owner.
 */
async function copyOrigin(
  transfer: Transfer,
  origin: PlannedOrigin,
  { account, owner: given, createsAccounts = false }: CopyOptions,
  copied: Copied,
): Promise<void> {
  const { destination } = transfer
  if (origin.isNew) {
    await destinations.createOrigin(destination, origin.name, origin.visibility)
    copied.origins += 1
  }
  for (const key of origin.keys) {
    await attempt(transfer, `the key ${formatKeyName(key)}`, async () => {
      await destinations.addKey(destination, key)
      copied.keys += 1
    })
  }
  if (origin.access !== undefined) {
    const { accounts, members, secretKeys } = await copyAccess(transfer, origin.name, {
      access: origin.access,
      createsAccounts,
    })
    copied.accounts += accounts
    copied.people += members
    copied.secretKeys += secretKeys
  }
  const { ownerAtSource } = origin
  const owner =
    given ??
    (origin.isNew && ownerAtSource !== undefined && (await hasAccount(destination, ownerAtSource))
      ? ownerAtSource
      : undefined)
  if (owner !== undefined && owner !== account && (origin.isNew || origin.owner === account)) {
    await attempt(transfer, `the origin ${origin.name}`, () =>
      destinations.transferOrigin(destination, origin.name, owner),
    )
  }
}

/** Copies a package, and returns its size in bytes. */
async function copyFile(
  { source, destination }: Transfer,
  { ident, visibility }: PlannedRelease,
  { target, checksum }: PlannedFile,
  {
    folder,
    signers,
    acceptsUnknownSigners = false,
  }: Pick<CopyOptions, 'folder' | 'acceptsUnknownSigners'> & { signers: Signers },
): Promise<number> {
  const file = join(folder, randomUUID())
  try {
    const expected = { ident, target, checksum, acceptsUnknownSigner: acceptsUnknownSigners }
    const { sizeBytes } = await fetchHart(source, expected, file, (signer) => signers.find(signer)).catch(
      (error: unknown) => {
        throw error instanceof DepotError && error.code === 'signer_unknown' ? lostKey(error) : error
      },
    )
    await uploadHart(destination, { ident, target, checksum, visibility }, file)
    return sizeBytes
  } finally {
    await rm(file, { force: true })
  }
}

/**
 * Declares a channel if it is new, and promotes its releases in batches. Leaves out releases that failed, and
 * demotes no release of their packages, because the channel could be left without any release of them.
 */
async function copyChannel(
  transfer: Transfer,
  origin: PlannedOrigin,
  channel: PlannedChannel,
  {
    failed,
    copied,
    isExact = false,
  }: { failed: ReadonlySet<string>; copied: Copied; isExact: boolean | undefined },
): Promise<void> {
  const { source, destination } = transfer
  if (channel.isNew) {
    await destinations.declareChannel(destination, origin.name, channel.name)
    copied.channels += 1
  }
  const reason = `imported from ${source.url}`
  const incompletePackages = new Set<string>()
  const promoteBatch = async (releases: readonly Member[]) => {
    const joined = await attempt(
      transfer,
      `${releases.length} releases of ${origin.name} into ${channel.name}`,
      async () => {
        const set = { releases }
        const { changed } = await destinations.promote(destination, channel.name, { set, reason })
        return changed ? releases.length : 0
      },
    )
    copied.members += joined ?? 0
    if (joined === undefined) for (const { ident } of releases) incompletePackages.add(packageNameOf(ident))
  }
  let batch: Member[] = []
  for (const promotion of channel.promotions) {
    for (const member of promotion)
      if (failed.has(formatMember(member))) incompletePackages.add(packageNameOf(member.ident))
    batch.push(...promotion.filter((member) => !failed.has(formatMember(member))))
    while (batch.length >= MAX_RELEASES_PER_PROMOTION) {
      await promoteBatch(batch.slice(0, MAX_RELEASES_PER_PROMOTION))
      batch = batch.slice(MAX_RELEASES_PER_PROMOTION)
    }
  }
  if (batch.length > 0) await promoteBatch(batch)
  if (!isExact) return
  const surplus = channel.surplus.filter(({ ident }) => !incompletePackages.has(packageNameOf(ident)))
  for (let begin = 0; begin < surplus.length; begin += MAX_RELEASES_PER_PROMOTION) {
    const releases = surplus.slice(begin, begin + MAX_RELEASES_PER_PROMOTION)
    await attempt(
      transfer,
      `${releases.length} releases of ${origin.name} out of ${channel.name}`,
      async () => {
        await destinations.demote(destination, channel.name, { releases, reason })
        copied.demoted += releases.length
      },
    )
  }
}

function packageNameOf(ident: string): string {
  return parseIdent(ident).name
}

/** Adds to the error how a package whose signature nobody can verify any more can be copied. */
function lostKey({ message }: DepotError): DepotError {
  return new DepotError(
    'signer_unknown',
    `${message}. With --accept-unknown-signers it is copied, if the destination runs with DEPOT_SIGNATURES=verify, which accepts and marks such packages`,
  )
}

/** Fetches signing keys from the source, each once. */
class Signers {
  readonly #source: Transfer['source']
  readonly #keys = new Map<string, PublicKey | undefined>()

  constructor({ source }: Transfer) {
    this.#source = source
  }

  async find(signer: KeyName): Promise<PublicKey | undefined> {
    const name = formatKeyName(signer)
    if (!this.#keys.has(name)) {
      const text = await findKey(this.#source, signer)
      this.#keys.set(name, text === undefined ? undefined : parsePublicKey(text))
    }
    return this.#keys.get(name)
  }
}
