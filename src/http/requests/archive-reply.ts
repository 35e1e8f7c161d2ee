import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { mayReadOrigin } from '../../access/anonymous-reading.ts'
import { findBlob } from '../../blobs/blob-store.ts'
import { damageOf, findingOf, inspect } from '../../blobs/damage.ts'
import type { BlobStream, ByteRange, Damage } from '../../blobs/storage.ts'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'
import type { RouteContext } from './request.ts'
import { formatIdent, hartFileName, parseIdent } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import type { Release } from '../../releases/release.ts'
import type { Arriving } from '../../upstream/arriving.ts'

/** The header with which nginx names its internal location; see docs/s3.md. */
const ACCEL_HEADER = 'x-accel-location'
const PUBLIC_MAX_AGE_S = 31_536_000
const PRIVATE_MAX_AGE_S = 300

/**
 * Sends the bytes of a release, or one range of them, or 304 if the client has them. The entity tag is the
 * checksum of the whole file. `hab` stores the file under the name in `X-Filename`, so every 200 must have it
 * (habitat-today.md 1.5). Throws `blob_damaged` if the bytes are known to be damaged, or if the blob is
 * missing or its size differs from the release's. Throws `blob_unreadable` if the store cannot read the blob,
 * and `data_gone` if the data folder was removed.
 */
export async function replyArchive(
  release: Release,
  context: Pick<RouteContext, 'depot' | 'trustsProxy'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { depot } = context
  const size = release.sizeBytes
  const tag = `"${release.checksum}"`
  const range = wantsRange(request, tag) ? parseRange(request.headers.range ?? '', size) : 'whole'
  const isUnchanged = matchesTag(request.headers['if-none-match'], tag)
  const isSent = request.method !== 'HEAD' && !isUnchanged && range !== 'unsatisfiable'
  const { start, end } = typeof range === 'string' ? { start: 0, end: size - 1 } : range
  const isHandedOver = isSent && nginxSends(request, range, context)
  const bytes = await openBytes(
    { release, depot, request },
    isSent && !isHandedOver ? { start, end } : undefined,
  )
  reply.header('accept-ranges', 'bytes')
  if (range === 'unsatisfiable' && !isUnchanged)
    return reply.code(416).header('content-range', `bytes */${size}`).send()
  reply.headers({
    ...headersOf({ ...release, isPublic: release.visibility === 'public' }, depot),
    'last-modified': new Date(release.createdAt).toUTCString(),
  })
  if (isUnchanged) return reply.code(304).send()
  if (isHandedOver) return handOver(release, depot, reply)

  if (typeof range !== 'string') reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`)
  reply.header('content-length', end - start + 1)
  // HEAD gets an empty stream: for any other body fastify would overwrite the length.
  return reply.send(bytes ?? Readable.from([]))
}

/**
 * Reports whether nginx sends the bytes itself. It must be a trusted proxy, and name the location in a
 * header, so that a client that reaches the depot directly never gets an answer without bytes. nginx has the
 * client's `Range`, so it must mean the same there as here.
 */
function nginxSends(
  request: FastifyRequest,
  range: ByteRange | 'whole',
  { depot: { config }, trustsProxy }: Pick<RouteContext, 'depot' | 'trustsProxy'>,
): boolean {
  return (
    config.accelLocation !== undefined &&
    request.headers[ACCEL_HEADER] === config.accelLocation &&
    trustsProxy(request.raw.socket.remoteAddress ?? '') &&
    (range === 'whole') === (request.headers.range === undefined)
  )
}

/**
 * Tells nginx to send the bytes from the store (nginx.org/en/docs/http/ngx_http_proxy_module.html,
 * X-Accel-Redirect).
 */
async function handOver(
  { checksum }: Release,
  { config, blobs }: Depot,
  reply: FastifyReply,
): Promise<FastifyReply> {
  return reply
    .header('x-accel-redirect', `${config.accelLocation}${await blobs.storage.accelPath(checksum)}`)
    .send()
}

/** Sends a release that is still arriving. If it is refused, the stream fails and the connection is cut. */
export function replyArriving(
  { ident, target }: ReleaseName,
  { arriving, bytes }: { arriving: Arriving; bytes: Readable },
  depot: Depot,
  reply: FastifyReply,
): FastifyReply {
  return reply
    .headers(headersOf({ ...arriving, ident: parseIdent(ident), target }, depot))
    .header('content-length', arriving.sizeBytes)
    .send(bytes)
}

function headersOf(
  {
    ident,
    target,
    checksum,
    isPublic,
  }: Pick<Release, 'ident' | 'target' | 'checksum'> & { isPublic: boolean },
  { config: { anonymous } }: Depot,
): Record<string, string> {
  const fileName = hartFileName(ident, target)
  return {
    etag: `"${checksum}"`,
    'cache-control':
      isPublic && mayReadOrigin(anonymous, ident.origin)
        ? `public, max-age=${PUBLIC_MAX_AGE_S}`
        : `private, max-age=${PRIVATE_MAX_AGE_S}`,
    'x-filename': fileName,
    'content-disposition': `attachment; filename="${fileName}"`,
    'content-type': 'application/octet-stream',
  }
}

interface Download {
  readonly release: Release
  readonly depot: Depot
  readonly request: FastifyRequest
}

/**
 * Opens the bytes of a release. Without a range, opens nothing and returns `undefined`, after looking for
 * damage that shows without reading the bytes. Throws like {@link replyArchive}.
 */
async function openBytes(download: Download, range: ByteRange | undefined): Promise<BlobStream | undefined> {
  const { release, depot } = download
  const { storage } = depot.blobs
  const recorded = (await findBlob(depot.db, release.checksum))?.damage
  if (recorded !== undefined || range === undefined) {
    const found = await inspect(storage, release)
    const damage = recorded ?? found.damage
    if (damage === undefined) return undefined
    depot.files.expectPresent() // a missing data folder explains the damage better
    // If the blob looks different from the recorded damage, it has changed since. This cannot show for wrong
    // bytes, which only reading all of them finds.
    if (recorded !== found.damage && recorded !== 'of other bytes') examineLater(release, depot)
    throw logDamage(download, { ...found, damage })
  }
  try {
    const bytes = await storage.open(release, range)
    bytes.once('error', (error) => {
      if (damageOf(error) !== undefined) examineLater(release, depot)
    })
    return bytes
  } catch (error) {
    const found = findingOf(error)
    depot.files.expectPresent()
    examineLater(release, depot)
    throw logDamage(download, found)
  }
}

/** Logs the damage of a blob, and returns the error for the client. */
function logDamage(
  { release, request }: Download,
  { damage, reason }: { damage: Damage; reason?: string },
): DepotError {
  const ident = formatIdent(release.ident)
  request.log.error(
    {
      request: request.id,
      ident,
      checksum: release.checksum,
      damage,
      ...(reason !== undefined && { reason }),
    },
    damage === 'unreadable' ? 'a package could not be read' : 'a damaged package was not served',
  )
  return damage === 'unreadable'
    ? new DepotError(
        'blob_unreadable',
        `the stored file of ${ident} cannot be read now: try again once the operator has repaired the storage`,
      )
    : new DepotError(
        'blob_damaged',
        `the stored file of ${ident} ${DAMAGES[damage]}: upload the same file again to repair it`,
      )
}

const DAMAGES = {
  missing: 'is missing',
  'of another size': 'has the wrong size',
  'of other bytes': 'has the wrong bytes',
} as const

function examineLater({ checksum }: Release, { examine, log }: Depot): void {
  examine(checksum).catch((error: unknown) =>
    log.error({ err: error, checksum }, 'a package could not be examined'),
  )
}

/**
 * Reports whether `Range` applies: only to GET (RFC 9110 14.2), and only if `If-Range` is absent or names
 * this file (13.1.5).
 */
function wantsRange(request: FastifyRequest, tag: string): boolean {
  const { range, 'if-range': condition } = request.headers
  return request.method === 'GET' && range !== undefined && (condition === undefined || condition === tag)
}

/**
 * Parses one range of bytes. Several ranges, or another unit (the clients of 2016 sent bare numbers), mean
 * the whole file (RFC 9110 14.2).
 */
function parseRange(header: string, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header)
  if (match === null) return 'whole'
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return 'whole'
  return start >= size ? 'unsatisfiable' : { start, end }
}

/** Reports whether `If-None-Match` is `*` or lists the tag, compared weakly (RFC 9110 13.1.2). */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  if (header === tag) return true
  return (
    header.trim() === '*' ||
    header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === tag)
  )
}
