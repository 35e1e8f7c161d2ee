import type { Readable } from 'node:stream'
import type { Actor, Session, Visibility } from '../access/access.ts'
import { findBlob } from '../blobs/blob-store.ts'
import type { ClaimOutcome } from '../blobs/claims.ts'
import { inspect } from '../blobs/damage.ts'
import type { SpoolFile } from '../blobs/spool.ts'
import { isDiskFull } from '../database/errors.ts'
import { expectOwnOrigin } from '../commands/origins/adopt-origin.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import type { HartDigests } from '../hart/digest.ts'
import type { HartMetadata } from '../hart/metadata.ts'
import { verifySignature } from '../hart/signature.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { KeyName } from '../hart/origin-key.ts'
import { findKey } from '../origins/origin-store.ts'
import { findQuotas } from '../origins/quota-store.ts'
import { expectWithinQuotas } from '../origins/quota.ts'
import type { Quota } from '../origins/quota.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { SMALL_BYTES, receive } from './receive.ts'
import type { ReceivedHart } from './receive.ts'
import { findReleaseBlob } from '../releases/release-store.ts'
import { findUploadRows } from '../releases/upload-store.ts'
import type { UploadRows } from '../releases/upload-store.ts'
import { traced } from '../tracing/traced.ts'

/** One upload. If it names no ident or no target, those in the archive are taken. */
export interface Upload {
  /** The named ident. The caller has checked the publisher's rights to it. */
  readonly ident: Ident | undefined
  /** Checks the publisher's rights to the ident in the archive, if none is named. */
  readonly authorize?: (ident: Ident) => void
  /**
   * The origin of the package, if it is known but no ident is named. Then its quota is checked before the
   * bytes are read, too.
   */
  readonly likelyOrigin?: string | undefined
  /** The named target. */
  readonly target: Target | undefined
  /** The target of the client, if known. An upload that names no target is probably for this one. */
  readonly clientTarget: Target | undefined
  /** The announced length of the body, including the parts of a form around the file. */
  readonly announcedBytes: number | undefined
  /** BLAKE2b-256 of the whole file, 64 lower-case hex characters. Needed if an ident is named. */
  readonly checksum: string | undefined
  /**
   * Whether uploading the bytes of a published release again succeeds without a change. Has no effect if the
   * upload names both the ident and the target.
   */
  readonly acceptsSame?: boolean
  /** See `PublishInput` in commands/releases/publish-release.ts. */
  readonly isForced: boolean
  /** Overrides the package's settings and the origin's default. */
  readonly visibility?: Visibility
  /** The depot from which the release is fetched. By default, it is uploaded. */
  readonly upstream?: FromUpstream
  /** Opens the stream of bytes. `publish` reads it to its end or destroys it, and takes over its buffers. */
  readonly open: () => Promise<Readable>
  readonly publisher: Pick<Session, 'accountId'>
  readonly actor: Actor
}

/** A release that is fetched from upstream. Only such releases are accepted for upstream origins. */
export interface FromUpstream {
  /** The URL of the upstream depot, which is recorded. */
  readonly url: string
  /**
   * Called before the signature is verified, if the depot does not have the signer's key. May add the key.
   */
  readonly findKey: (signer: KeyName) => Promise<void>
  /**
   * Called when the first `bytes` bytes are in the file at `path`, from which they can be read. Not called
   * for small files. Later, the file is moved or removed.
   */
  readonly onWritten: (path: string, bytes: number) => void
}

export interface Published {
  readonly ident: Ident
  readonly target: Target
  readonly isNew: boolean
  /** For the publisher, as sentences: quotas that are nearly used up. */
  readonly warnings: readonly string[]
}

/**
 * Publishes a hart: bytes first, then rows. The checks run in this order: already published, room, bytes,
 * checksum, signature, archive, ident, target; without a named ident, the rights and whether it is published
 * come last.
 * A failed upload leaves nothing behind: its spool file and an unneeded blob are removed. An upload of the
 * right bytes repairs a damaged release. A crash leaves at most a blob without a release, never a release
 * without its blob.
 *
 * Throws what `authorize` throws, `origin_from_upstream`, `already_exists`, `not_found` for the origin,
 * `target_unsupported`, `checksum_missing`, `too_large`, `stalled`, `length_mismatch`, `hart_malformed`,
 * `checksum_mismatch`, `signer_unknown`, `signature_invalid`, `ident_mismatch`, `target_mismatch`,
 * `release_differs`, `package_type_mismatch`, `storage_full`, `quota_exceeded`, `overloaded`, `data_gone`.
 */
export async function publish(depot: Depot, upload: Upload): Promise<Published> {
  const { ident: named, target, checksum, isForced } = upload
  const what = named === undefined ? 'the package' : formatIdent(named)
  depot.files.expectPresent()
  if (target !== undefined) expectAccepted(depot, target)
  const likelyTarget = named === undefined ? undefined : (target ?? upload.clientTarget)
  const rows = named && (await findRows(depot, named, likelyTarget))
  if (rows !== undefined) {
    if (upload.upstream === undefined) expectOwnOrigin(rows, what)
    if (!isForced && likelyTarget !== undefined && (await blocksUpload(depot, rows.published, checksum)))
      throw alreadyPublished(what, likelyTarget)
    if (checksum === undefined || checksum === '')
      throw new DepotError('checksum_missing', `the upload of ${what} has no checksum`)
  }
  const bytes = upload.announcedBytes ?? 0
  await depot.blobs.room.expect({ bytes, what })
  const quotas = await findQuotasFor(depot, upload, rows?.published)
  expectWithinQuotas(quotas, { bytes, what })
  depot.scanner.expectRoom(upload.publisher.accountId)

  const file = depot.blobs.spool.newFile()
  try {
    const hart = await receiveChecked(depot, upload, file, { what, newestKey: rows?.newestKey, quotas })
    const { ident, target: hartTarget } = hart.metadata
    // Look for damage now: afterwards, the new bytes have replaced the old ones.
    if (!isForced && hartTarget !== likelyTarget) {
      const { published } = await findRows(depot, ident, hartTarget)
      if (await blocksUpload(depot, published, hart.received.checksum)) {
        if (await isAcceptedAgain(depot, upload, hart))
          return { ident, target: hartTarget, isNew: false, warnings: [] }
        throw alreadyPublished(formatIdent(ident), hartTarget)
      }
    }
    return await storeRelease(depot, upload, file, hart)
  } catch (error) {
    if (isDiskFull(error))
      throw new DepotError('storage_full', `there is no room for ${what}; nothing was stored`, {
        cause: error,
      })
    if (!(error instanceof DepotError)) depot.files.expectPresent() // a missing data folder explains the error better
    throw error
  } finally {
    await depot.blobs.spool.discard(file)
  }
}

/** A checked package in the spool. It may be published unless its ident is published for its target. */
interface CheckedHart {
  readonly received: ReceivedHart
  readonly isVerified: boolean
  readonly metadata: HartMetadata
}

/** Receives the package of an upload, and checks its bytes, signature, archive, ident and target. */
async function receiveChecked(
  depot: Depot,
  upload: Upload,
  file: SpoolFile,
  {
    what,
    newestKey,
    quotas,
  }: { what: string; newestKey: UploadRows['newestKey'] | undefined; quotas: readonly Quota[] },
): Promise<CheckedHart> {
  const { config, hashes, blobs } = depot
  const { ident: named, target, checksum } = upload
  const { accountId } = upload.publisher
  const source = await upload.open()
  const received = await traced('receive', {}, () =>
    receive({ config, hashes, room: blobs.room }, source, file, {
      what,
      accountId,
      quotas,
      onWritten: (bytes) => upload.upstream?.onWritten(file.path, bytes),
    }),
  )
  if (checksum !== undefined && received.checksum !== checksum)
    throw new DepotError(
      'checksum_mismatch',
      `the checksum of ${what} should be ${checksum}, but is ${received.checksum}`,
    )
  const isVerified = await verify(depot, received, {
    origin: named?.origin,
    newestKey,
    upstream: upload.upstream,
  })
  const metadata = await traced('scan', {}, () => scan(depot, received, { file, accountId }))
  const ident = formatIdent(metadata.ident)
  if (named !== undefined && ident !== what)
    throw new DepotError('ident_mismatch', `the archive is ${ident}, not ${what}`)
  if (target !== undefined && metadata.target !== target)
    throw new DepotError(
      'target_mismatch',
      `the archive of ${ident} is for ${metadata.target}, not ${target}`,
    )
  expectAccepted(depot, metadata.target)
  if (named === undefined) upload.authorize?.(metadata.ident)
  return { received, isVerified, metadata }
}

/** Makes the file of a checked package a blob, and then publishes it as a release. */
async function storeRelease(
  depot: Depot,
  upload: Upload,
  file: SpoolFile,
  hart: CheckedHart,
): Promise<Published> {
  const { received, isVerified } = hart
  const { ident, deps, tdeps, buildDeps, buildTdeps, ...metadata } = hart.metadata
  const { target } = metadata
  await traced('keep', {}, () =>
    depot.blobs.claims.keep(file.path, received.checksum, file.isCreated ? undefined : received.bytes),
  )
  let outcome: ClaimOutcome = 'unknown'
  try {
    const { isNew, warnings } = await depot.writer.submit({
      kind: 'publishRelease',
      actor: upload.actor,
      input: {
        ident,
        metadata: {
          ...metadata,
          deps: deps.map(formatIdent),
          tdeps: tdeps.map(formatIdent),
          buildDeps: buildDeps.map(formatIdent),
          buildTdeps: buildTdeps.map(formatIdent),
        },
        checksum: received.checksum,
        sizeBytes: received.sizeBytes,
        signer: formatKeyName(received.header.signer),
        isVerified,
        publisherId: upload.publisher.accountId,
        isForced: upload.isForced,
        ...(upload.visibility !== undefined && { visibility: upload.visibility }),
        ...(upload.upstream !== undefined && { source: upload.upstream.url }),
      },
    })
    outcome = 'published'
    return { ident, target, isNew, warnings }
  } catch (error) {
    // Another upload of the same file may have come first.
    if (
      error instanceof DepotError &&
      error.code === 'already_exists' &&
      (await isAcceptedAgain(depot, upload, hart))
    )
      return { ident, target, isNew: false, warnings: [] }
    throw error
  } finally {
    await depot.blobs.claims.release(received.checksum, outcome)
  }
}

/** Reports whether the release is published with the same bytes, and the upload accepts that. */
async function isAcceptedAgain(
  { db }: Depot,
  { acceptsSame }: Upload,
  { received, metadata: { ident, target } }: CheckedHart,
): Promise<boolean> {
  return (
    acceptsSame === true &&
    (await findReleaseBlob(db, formatIdent(ident), target))?.checksum === received.checksum
  )
}

/** Reads what an upload is checked against. Throws `not_found` for the origin. */
async function findRows({ db }: Depot, ident: Ident, target: Target | undefined): Promise<UploadRows> {
  const rows = await findUploadRows(db, { origin: ident.origin, ident: formatIdent(ident), target })
  if (rows === undefined) throw new DepotError('not_found', `there is no origin ${ident.origin}`)
  return rows
}

/**
 * Returns the quotas that limit the bytes of an upload while they arrive, as far as its origin is known.
 * There are none for an upload that repairs or repeats a release, and none for a small upload, which arrives
 * faster than its quotas could be read. `publishRelease` checks all quotas again.
 */
async function findQuotasFor(
  { db }: Depot,
  { ident, likelyOrigin, checksum, announcedBytes = 0, upstream }: Upload,
  published: UploadRows['published'],
): Promise<readonly Quota[]> {
  if (upstream === undefined && announcedBytes > 0 && announcedBytes <= SMALL_BYTES) return []
  if (published !== undefined && !published.isAnnounced) return []
  const quotas = await findQuotas(db, ident?.origin ?? likelyOrigin)
  const isKnown = quotas.length > 0 && checksum !== undefined && (await findBlob(db, checksum)) !== undefined
  return isKnown ? [] : quotas
}

function alreadyPublished(ident: string, target: Target): DepotError {
  return new DepotError('already_exists', `${ident} is already published for ${target}`)
}

/**
 * Reports whether a release is published, and an upload with this checksum would not repair it. An announced
 * release has no bytes yet. Damage that
 * is found here is recorded, so that `publishRelease` treats the upload as a repair.
 */
async function blocksUpload(
  depot: Depot,
  published: UploadRows['published'],
  checksum: string | undefined,
): Promise<boolean> {
  if (published === undefined || published.isAnnounced) return false
  if (published.checksum !== checksum) return true
  if ((await findBlob(depot.db, checksum))?.damage !== undefined) return false
  return (
    (await inspect(depot.blobs.storage, { checksum, sizeBytes: published.sizeBytes })).damage === undefined ||
    (await depot.examine(checksum)) === undefined
  )
}

/** Reads the metadata from the archive: a small one in this thread, others in threads of their own. */
async function scan(
  { scanner }: Depot,
  { header: { payloadOffset }, bytes }: ReceivedHart,
  { file, accountId }: { file: SpoolFile; accountId: number },
): Promise<HartMetadata> {
  if (bytes !== undefined) {
    const metadata = await scanner.scanShort(bytes.subarray(payloadOffset))
    if (metadata !== undefined) return metadata
    await file.createWith(bytes)
  }
  return scanner.scan(file.path, payloadOffset, accountId)
}

/**
 * Verifies the signature if the depot has the signer's key, and reports whether it has. `newestKey` is the
 * newest key of `origin`, which usually is the signer's. Throws `signature_invalid`, and `signer_unknown` if
 * the depot requires known signers.
 */
async function verify(
  depot: Depot,
  { header, payloadHash }: HartDigests,
  {
    origin,
    newestKey,
    upstream,
  }: {
    origin: string | undefined
    newestKey: UploadRows['newestKey'] | undefined
    upstream: FromUpstream | undefined
  },
): Promise<boolean> {
  const { signer } = header
  const find = () => findKey(depot.db, signer.origin, 'public', signer.revision)
  let key = signer.origin === origin && signer.revision === newestKey?.revision ? newestKey : await find()
  if (key === undefined && upstream !== undefined) {
    await upstream.findKey(signer)
    key = await find()
  }
  if (key !== undefined) {
    verifySignature(header, payloadHash, parsePublicKey(key.body))
    return true
  }
  if (depot.config.signatures === 'verify' && upstream === undefined) return false
  throw new DepotError('signer_unknown', `the depot has no key ${formatKeyName(signer)}: upload it first`)
}

/** Throws `target_unsupported` unless the depot accepts packages for this target. */
function expectAccepted(depot: Depot, target: Target): void {
  if (depot.config.targets.includes(target)) return
  throw new DepotError(
    'target_unsupported',
    `this depot accepts no packages for ${target}; it accepts ${depot.config.targets.join(', ')}`,
  )
}
