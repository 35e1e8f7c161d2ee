import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findBlob } from '../../blobs/blob-store.ts'
import { damageOf } from '../../blobs/damage.ts'
import type { Depot } from '../../depot/open.ts'
import { DepotError } from '../../errors.ts'
import { formatIdent, hartFileName } from '../../package/ident.ts'
import type { Release } from '../../releases/release.ts'

const YEAR_S = 31_536_000
const PRIVATE_S = 300

/**
 * Sends the bytes of a release, or one range of them, or 304 if the client has them. The entity tag is the
 * checksum of the whole file. `hab` stores the file under the name in `X-Filename`, so every 200 must have it
 * (habitat-today.md 1.5). Throws `blob_damaged` for bytes known to be damaged, and for a file whose size is
 * not that of the release.
 */
export async function replyArchive(
  release: Release,
  depot: Depot,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { blobs } = depot
  const size = release.sizeBytes
  await expectSound(release, depot, request)
  const fileName = hartFileName(release.ident, release.target)
  const tag = `"${release.checksum}"`
  const range = wantsRange(request, tag) ? parseRange(request.headers.range ?? '', size) : 'whole'
  const isKnown = matches(request.headers['if-none-match'], tag)
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

  const { start, end } = typeof range === 'string' ? { start: 0, end: size - 1 } : range
  if (typeof range !== 'string') reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`)
  reply.header('content-length', end - start + 1)
  // HEAD gets an empty stream: for any other body fastify would overwrite the length.
  if (request.method === 'HEAD') return reply.send(Readable.from([]))
  const bytes = blobs.read(release.checksum, { start, end })
  bytes.once('error', (error: NodeJS.ErrnoException) => {
    if (damageOf(error) !== undefined && !CONNECTION.includes(error.code)) examineLater(release, depot)
  })
  return reply.send(bytes)
}

/** Errors that the client's connection causes, not the file. */
const CONNECTION: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT']

async function expectSound(release: Release, depot: Depot, request: FastifyRequest): Promise<void> {
  const [blob, seen] = await Promise.all([
    findBlob(depot.db, release.checksum),
    depot.blobs.look(release.checksum, release.sizeBytes),
  ])
  const damage = blob?.damage ?? seen
  if (damage === undefined) return
  depot.files.expectThere() // throws if the data folder itself is gone
  // The recorded damage differs from what is seen now, so the blob is examined again.
  if (blob?.damage !== seen && blob?.damage !== 'of other bytes') examineLater(release, depot)
  const ident = formatIdent(release.ident)
  request.log.error(
    { request: request.id, ident, checksum: release.checksum, damage },
    'a damaged package was not served',
  )
  throw new DepotError(
    'blob_damaged',
    `the file of ${ident} is ${damage} on the depot's disk: upload the same file again to repair it`,
  )
}

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
export function parseRange(
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
