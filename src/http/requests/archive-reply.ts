import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findBlob } from '../../blobs/blob-store.ts'
import { damageOf, findingOf, look } from '../../blobs/damage.ts'
import type { BlobStream, ByteRange, Damage } from '../../blobs/storage.ts'
import type { Depot } from '../../depot/open.ts'
import { DepotError } from '../../errors.ts'
import { formatIdent, hartFileName } from '../../package/ident.ts'
import type { Release } from '../../releases/release.ts'

const YEAR_S = 31_536_000
const PRIVATE_S = 300

/**
 * Sends the bytes of a release, or one range of them, or 304 if the client has them. The entity tag is the
 * checksum of the whole file. `hab` stores the file under the name in `X-Filename`, so every 200 must have it
 * (habitat-today.md 1.5). Throws `blob_damaged` for bytes known to be damaged, and for a blob that is missing or has another size than
 * the release; throws `blob_unreadable` for a blob that the store does not give.
 */
export async function replyArchive(
  release: Release,
  depot: Depot,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const size = release.sizeBytes
  const fileName = hartFileName(release.ident, release.target)
  const tag = `"${release.checksum}"`
  const range = wantsRange(request, tag) ? parseRange(request.headers.range ?? '', size) : 'whole'
  const isKnown = matches(request.headers['if-none-match'], tag)
  const isSent = request.method !== 'HEAD' && !isKnown && range !== 'unsatisfiable'
  const { start, end } = typeof range === 'string' ? { start: 0, end: size - 1 } : range
  const bytes = await openSound({ release, depot, request }, isSent ? { start, end } : undefined)
  reply.header('accept-ranges', 'bytes')
  if (range === 'unsatisfiable' && !isKnown)
    return reply.code(416).header('content-range', `bytes */${size}`).send()
  reply.headers({
    etag: tag,
    'cache-control':
      release.visibility === 'public' ? `public, max-age=${YEAR_S}` : `private, max-age=${PRIVATE_S}`,
    'last-modified': new Date(release.createdAt).toUTCString(),
    'x-filename': fileName,
    'content-disposition': `attachment; filename="${fileName}"`,
    'content-type': 'application/octet-stream',
  })
  if (isKnown) return reply.code(304).send()

  if (typeof range !== 'string') reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`)
  reply.header('content-length', end - start + 1)
  // HEAD gets an empty stream: for any other body fastify would overwrite the length.
  return reply.send(bytes ?? Readable.from([]))
}

interface Download {
  readonly release: Release
  readonly depot: Depot
  readonly request: FastifyRequest
}

/** Opens the bytes of a release, or only looks at them if there is no range. Throws as {@link replyArchive}. */
async function openSound(download: Download, range: ByteRange | undefined): Promise<BlobStream | undefined> {
  const { release, depot } = download
  const { storage } = depot.blobs
  const known = (await findBlob(depot.db, release.checksum))?.damage
  if (known !== undefined || range === undefined) {
    const seen = await look(storage, release)
    const damage = known ?? seen.damage
    if (damage === undefined) return undefined
    depot.files.expectThere() // throws if the data folder itself is gone
    // The recorded damage differs from what is seen now, so the blob is examined again.
    if (known !== seen.damage && known !== 'of other bytes') examineLater(release, depot)
    throw refusalOf(download, { ...seen, damage })
  }
  try {
    const bytes = await storage.open(release, range)
    bytes.once('error', (error) => {
      if (damageOf(error) !== undefined) examineLater(release, depot)
    })
    return bytes
  } catch (error) {
    const found = findingOf(error)
    depot.files.expectThere()
    examineLater(release, depot)
    throw refusalOf(download, found)
  }
}

/** Logs the damage of a blob, and makes the error for the client. */
function refusalOf(
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
        `the stored file of ${ident} cannot be read now: try again once the operator has mended the storage`,
      )
    : new DepotError(
        'blob_damaged',
        `the stored file of ${ident} ${DAMAGES[damage]}: upload the same file again to repair it`,
      )
}

const DAMAGES = {
  missing: 'is missing',
  'of another size': 'has another size',
  'of other bytes': 'has other bytes',
} as const

function examineLater({ checksum }: Release, { examine, log }: Depot): void {
  examine(checksum).catch((error: unknown) =>
    log.error({ err: error, checksum }, 'a package could not be examined'),
  )
}

/**
 * A range counts only for GET (RFC 9110 14.2), and only if `If-Range` is absent or names this file (13.1.5).
 */
function wantsRange(request: FastifyRequest, tag: string): boolean {
  const { range } = request.headers
  const known = request.headers['if-range']
  return request.method === 'GET' && range !== undefined && (known === undefined || known === tag)
}

/**
 * Parses one range of bytes, both ends included. Several ranges, or another unit (the clients of 2016 sent
 * bare numbers), mean the whole file (RFC 9110 14.2).
 */
function parseRange(
  header: string,
  size: number,
): { start: number; end: number } | 'whole' | 'unsatisfiable' {
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
export function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  if (header === tag) return true
  return (
    header.trim() === '*' ||
    header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === tag)
  )
}
