import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PackageAnswer } from '../../../answers/package-answer.ts'
import { matchesTag } from '../../requests/archive-reply.ts'
import { replyNothing } from '../../requests/error-reply.ts'
import { NO_CACHE } from '../conventions/replies.ts'

/** The reply to a request for the JSON of a package. Without a package it is 404. */
export interface PackageReply {
  readonly found: PackageAnswer | undefined
  readonly cacheControl: string
  /** The view whose pointer was used, and the revision that set it. */
  readonly view?: string | undefined
  readonly revision?: number | undefined
}

/**
 * Returns the headers of a reply, except for its length and the connection. The entity tag is the checksum of
 * the package's file, as in 2016. It identifies the release, and stays the same when only the list of views
 * in the body changes.
 */
function headersOf({ found, cacheControl, view, revision }: PackageReply): Record<string, string> {
  if (found === undefined) return { 'cache-control': NO_CACHE }
  return {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': cacheControl,
    etag: tagOf(found),
    'depot-target': found.target,
    ...(view !== undefined &&
      revision !== undefined && { 'depot-view': view, 'depot-revision': String(revision) }),
  }
}

function tagOf({ checksum }: PackageAnswer): string {
  return `"${checksum}"`
}

/**
 * Sends the reply to a GET or HEAD request through fastify. `absent` makes the sentence that says that no
 * package was found.
 */
export function replyPackage(
  request: FastifyRequest,
  reply: FastifyReply,
  packageReply: PackageReply,
  absent: () => string,
): FastifyReply {
  const { found } = packageReply
  request.isVital = true
  reply.headers(headersOf(packageReply))
  if (found === undefined) return replyNothing(request, reply, absent())
  if (matchesTag(request.headers['if-none-match'], tagOf(found)))
    return reply.code(304).removeHeader('content-type').send()
  return reply.send(found.body)
}

/** The other parts of a reply that is written without fastify. */
export interface Exchange {
  /** The date, formatted as in RFC 9110 5.6.7. */
  readonly date: string
  readonly ifNoneMatch: string | undefined
  /** The header `Connection` and related headers. */
  readonly connection: string
}

const FOUND = 'HTTP/1.1 200 OK\r\nDate: '
const KNOWN = 'HTTP/1.1 304 Not Modified\r\nDate: '
const MISSING = 'HTTP/1.1 404 Not Found\r\nDate: '

/** The bytes of 404 replies by the headers of their connection. */
const missing = new Map<string, Buffer>()

/**
 * Writes the reply to a GET request, head and body, into bytes that are valid until the next call. The bytes
 * for a polled body are made once.
 */
export function writePackage(
  packageReply: PackageReply,
  { date, ifNoneMatch, connection }: Exchange,
): { status: 200 | 304 | 404; bytes: Buffer } {
  const { found, cacheControl, view = '', revision = '' } = packageReply
  if (found === undefined)
    return { status: 404, bytes: dated(missing.get(connection) ?? keepMissing(connection), MISSING, date) }
  const isKnown = ifNoneMatch !== undefined && matchesTag(ifNoneMatch, tagOf(found))
  const key = `${isKnown} ${view} ${revision} ${cacheControl} ${connection}`
  const bytes = isKnown
    ? found.response(key, 'head', () => headOf(KNOWN, packageReply, connection))
    : found.response(key, 'whole', () =>
        headOf(FOUND, packageReply, `content-length: ${found.body.length}\r\n${connection}`),
      )
  return isKnown
    ? { status: 304, bytes: dated(bytes, KNOWN, date) }
    : { status: 200, bytes: dated(bytes, FOUND, date) }
}

function keepMissing(connection: string): Buffer {
  const bytes = headOf(
    MISSING,
    { found: undefined, cacheControl: NO_CACHE },
    `content-length: 0\r\n${connection}`,
  )
  missing.set(connection, bytes)
  return bytes
}

/** Replaces the date in place; all dates have the same length. */
function dated(bytes: Buffer, start: string, date: string): Buffer {
  bytes.write(date, start.length, 'latin1')
  return bytes
}

const NO_DATE = 'Thu, 01 Jan 1970 00:00:00 GMT'

function headOf(start: string, packageReply: PackageReply, end: string): Buffer {
  const { 'content-type': type, ...others } = headersOf(packageReply)
  const lines = Object.entries({
    ...(type !== undefined && start === FOUND && { 'content-type': type }),
    ...others,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${start}${NO_DATE}\r\n${lines.join('')}${end}\r\n`, 'latin1')
}
