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
 * Sends the bytes of a release: whole, or one range of them, streamed in large pieces; nothing to who has them already. The
 * entity tag is the checksum of the whole file. `X-Filename` is what `hab` stores it as, and must be on every 200 (habitat-today.md 1.5).
 * Throws `blob_damaged` for bytes that are known to be damaged, and for a file of another size than the release's.
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
  // To HEAD nothing is sent, as a stream: for anything else fastify makes the length that of what is sent.
  if (request.method === 'HEAD') return reply.send(Readable.from([]))
  const bytes = blobs.read(release.checksum, { start, end })
  bytes.once('error', (error: NodeJS.ErrnoException) => {
    if (damageOf(error) !== undefined && !CONNECTION.includes(error.code)) examineLater(release, depot)
  })
  return reply.send(bytes)
}

/** What a stream of bytes fails with because of the client that reads it. */
const CONNECTION: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT']

async function expectSound(release: Release, depot: Depot, request: FastifyRequest): Promise<void> {
  const [blob, seen] = await Promise.all([
    findBlob(depot.db, release.checksum),
    depot.blobs.look(release.checksum, release.sizeBytes),
  ])
  const damage = blob?.damage ?? seen
  if (damage === undefined) return
  depot.files.expectThere() // or that is why
  // What was put back, or has just gone, is news.
  if (blob?.damage !== seen && blob?.damage !== 'of other bytes') examineLater(release, depot)
  const ident = formatIdent(release.ident)
  request.log.error(
    { request: request.id, ident, checksum: release.checksum, damage },
    'the bytes of a package are damaged, and were not served',
  )
  throw new DepotError(
    'blob_damaged',
    `the file of ${ident} is ${damage} on the disk of the depot: upload the same file again, which repairs it`,
  )
}

function examineLater({ checksum }: Release, { examine, log }: Depot): void {
  examine(checksum).catch((error: unknown) =>
    log.error({ err: error, checksum }, 'a package could not be read again'),
  )
}

/** A range counts only for GET (RFC 9110 14.2), and only while the file is the one the client knows: `If-Range` (13.1.5). */
function wantsRange(request: FastifyRequest, tag: string): boolean {
  const { range } = request.headers
  const known = request.headers['if-range']
  return request.method === 'GET' && range !== undefined && (known === undefined || known === tag)
}

/**
 * One range of bytes, both ends included. More ranges than one, or another unit (the clients of 2016 sent bare numbers), mean the
 * whole (RFC 9110 14.2).
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

/** `If-None-Match`: `*`, or a list that holds the tag, compared weakly (RFC 9110 13.1.2). */
export function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  if (header === tag) return true
  return (
    header.trim() === '*' ||
    header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === tag)
  )
}
