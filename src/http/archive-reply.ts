import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FilesystemBlobs } from '../blobs/filesystem.ts'
import { hartFileName } from '../package/ident.ts'
import type { Release } from '../releases/release.ts'

const YEAR_S = 31_536_000
const PRIVATE_S = 300

/**
 * Sends the bytes of a release: whole, or one range of them, streamed in large pieces; nothing to who has them already. The
 * entity tag is the checksum of the whole file. `X-Filename` is what `hab` stores it as, and must be on every 200 (habitat-today.md 1.5).
 */
export async function replyArchive(release: Release, blobs: FilesystemBlobs, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const size = await blobs.size(release.checksum)
  if (size === undefined) throw new Error(`the bytes of ${release.checksum} are gone from the blob store`)
  const fileName = hartFileName(release.ident, release.target)
  const tag = `"${release.checksum}"`
  const range = wantsRange(request, tag) ? parseRange(request.headers.range ?? '', size) : 'whole'
  const isKnown = matches(request.headers['if-none-match'], tag)
  reply.header('accept-ranges', 'bytes')
  if (range === 'unsatisfiable' && !isKnown) return reply.code(416).header('content-range', `bytes */${size}`).send()
  reply.headers({
    etag: tag,
    'cache-control': release.visibility === 'public' ? `public, max-age=${YEAR_S}` : `private, max-age=${PRIVATE_S}`,
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
  return reply.send(request.method === 'HEAD' ? Readable.from([]) : blobs.read(release.checksum, { start, end }))
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
export function parseRange(header: string, size: number): { start: number; end: number } | 'whole' | 'unsatisfiable' {
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
  return header.trim() === '*' || header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === tag)
}
