import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName, PublicKey } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import { attempt } from '../remote/attempt.ts'
import type { Transfer } from '../remote/attempt.ts'
import * as destinations from '../remote/destination.ts'
import { nameOf } from '../remote/destination.ts'
import type { Member } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import { fetchHart } from '../remote/fetch-hart.ts'
import { findKey } from '../remote/habitat-reads.ts'
import { uploadHart } from '../remote/upload-hart.ts'
import type { Plan, PlannedChannel, PlannedFile, PlannedOrigin, PlannedRelease } from './plan.ts'

export interface CopyOptions {
  /** A temporary folder. It holds at most as many packages as are copied at once. */
  readonly folder: string
  /** The account of the destination's token. */
  readonly account: string
  /** The new owner of copied origins that would otherwise belong to `account`. */
  readonly owner: string | undefined
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
}

const PARALLEL = 4
const MAX_RELEASES_PER_PROMOTION = 500

/**
 * Carries out a plan: origins and keys, then packages, then channels, so that a channel never has a package
 * whose dependencies are missing. If it is aborted, the next plan contains the rest.
 */
export async function copy(transfer: Transfer, plan: Plan, options: CopyOptions): Promise<Copied> {
  const { reporter } = transfer
  const copied: Copied = { origins: 0, keys: 0, releases: 0, bytes: 0, channels: 0, members: 0 }
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
      const name = nameOf({ ident: formatIdent(release.ident), target: file.target })
      const bytes = await attempt(transfer, name, () =>
        copyFile(transfer, release, file, { folder: options.folder, signers }),
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
      copyChannel(transfer, origin, channel, { failed, copied }),
    )
    reporter.advance()
  }
  return copied
}

/**
 * Creates an origin if it is new, adds its keys, and transfers it to its new owner. An origin that another
 * account owns keeps its owner.
 */
async function copyOrigin(
  transfer: Transfer,
  origin: PlannedOrigin,
  { account, owner }: CopyOptions,
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
  { folder, signers }: { folder: string; signers: Signers },
): Promise<number> {
  const file = join(folder, randomUUID())
  try {
    const { sizeBytes } = await fetchHart(source, { ident, target, checksum }, file, (signer) =>
      signers.find(signer),
    )
    await uploadHart(destination, { ident, target, checksum, visibility }, file)
    return sizeBytes
  } finally {
    await rm(file, { force: true })
  }
}

/** Declares a channel if it is new, and promotes its releases in batches. Leaves out releases that failed. */
async function copyChannel(
  transfer: Transfer,
  origin: PlannedOrigin,
  channel: PlannedChannel,
  { failed, copied }: { failed: ReadonlySet<string>; copied: Copied },
): Promise<void> {
  const { source, destination } = transfer
  if (channel.isNew) {
    await destinations.declareChannel(destination, origin.name, channel.name)
    copied.channels += 1
  }
  const reason = `imported from ${source.url}`
  const promoteBatch = async (releases: readonly Member[]) => {
    const joined = await attempt(
      transfer,
      `${releases.length} releases of ${origin.name} into ${channel.name}`,
      async () => {
        await destinations.promote(destination, channel.name, { set: { releases }, reason })
        return releases.length
      },
    )
    copied.members += joined ?? 0
  }
  let batch: Member[] = []
  for (const promotion of channel.promotions) {
    batch.push(...promotion.filter((member) => !failed.has(nameOf(member))))
    while (batch.length >= MAX_RELEASES_PER_PROMOTION) {
      await promoteBatch(batch.slice(0, MAX_RELEASES_PER_PROMOTION))
      batch = batch.slice(MAX_RELEASES_PER_PROMOTION)
    }
  }
  if (batch.length > 0) await promoteBatch(batch)
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
