import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PackageAnswer } from '../../answers/package-answer.ts'
import { matches } from '../requests/archive-reply.ts'

export const NO_CACHE = 'private, no-cache, no-store'

/** What is answered to who asks for the JSON of a package: 404 where there is none. */
export interface PackageReply {
  readonly found: PackageAnswer | undefined
  readonly cacheControl: string
  /** The view whose pointer it is, and the revision that made it so. */
  readonly view?: string | undefined
  readonly revision?: number | undefined
}

/**
 * The head of a reply, but for its length and the connection's affairs. The entity tag is the package's, as in 2016: the checksum of its
 * file. It says which release this is, and outlives changes of the body, which also lists the views that release is in.
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

/** To a request of GET or HEAD, by way of fastify. */
export function replyPackage(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: PackageReply,
): FastifyReply {
  const { found } = asked
  request.isVital = true
  reply.headers(headersOf(asked))
  if (found === undefined) return reply.code(404).send()
  if (matches(request.headers['if-none-match'], tagOf(found)))
    return reply.code(304).removeHeader('content-type').send()
  return reply.send(found.body)
}

/** What else stands in an answer that does not go by way of fastify. */
export interface Exchange {
  /** In the form of RFC 9110 5.6.7. */
  readonly date: string
  readonly ifNoneMatch: string | undefined
  /** The header `Connection`, and what belongs to it. */
  readonly connection: string
}

const FOUND = 'HTTP/1.1 200 OK\r\nDate: '
const KNOWN = 'HTTP/1.1 304 Not Modified\r\nDate: '
const MISSING = 'HTTP/1.1 404 Not Found\r\nDate: '

const missing = new Map<string, Buffer>()

/** The same to GET, head and body, as bytes that are good until the next call: of a body that is polled they are made once. */
export function writePackage(
  asked: PackageReply,
  { date, ifNoneMatch, connection }: Exchange,
): { status: 200 | 304 | 404; bytes: Buffer } {
  const { found, cacheControl, view = '', revision = '' } = asked
  if (found === undefined)
    return { status: 404, bytes: dated(missing.get(connection) ?? keepMissing(connection), MISSING, date) }
  const isKnown = ifNoneMatch !== undefined && matches(ifNoneMatch, tagOf(found))
  const key = `${isKnown} ${view} ${revision} ${cacheControl} ${connection}`
  const bytes = isKnown
    ? found.form(key, 'head', () => headOf(KNOWN, asked, connection))
    : found.form(key, 'whole', () =>
        headOf(FOUND, asked, `content-length: ${found.body.length}\r\n${connection}`),
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

/** One date is as long as another. */
function dated(bytes: Buffer, start: string, date: string): Buffer {
  bytes.write(date, start.length, 'latin1')
  return bytes
}

const NO_DATE = 'Thu, 01 Jan 1970 00:00:00 GMT'

function headOf(start: string, asked: PackageReply, end: string): Buffer {
  const { 'content-type': type, ...others } = headersOf(asked)
  const lines = Object.entries({
    ...(type !== undefined && start === FOUND && { 'content-type': type }),
    ...others,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${start}${NO_DATE}\r\n${lines.join('')}${end}\r\n`, 'latin1')
}
