import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PackageAnswer } from '../../answers/package-answer.ts'
import { matches } from '../archive-reply.ts'

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
    ...(view !== undefined && revision !== undefined && { 'depot-view': view, 'depot-revision': String(revision) }),
  }
}

function tagOf({ checksum }: PackageAnswer): string {
  return `"${checksum}"`
}

/** To a request of GET or HEAD, by way of fastify. */
export function replyPackage(request: FastifyRequest, reply: FastifyReply, asked: PackageReply): FastifyReply {
  const { found } = asked
  reply.headers(headersOf(asked))
  if (found === undefined) return reply.code(404).send()
  if (matches(request.headers['if-none-match'], tagOf(found))) return reply.code(304).removeHeader('content-type').send()
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

/** The same to GET, head and body, as bytes that are good until the next call: of a body that is polled they are made once. */
export function writePackage(asked: PackageReply, { date, ifNoneMatch, connection }: Exchange): { status: 200 | 304 | 404; bytes: Buffer } {
  const { found, cacheControl, view = '', revision = '' } = asked
  if (found === undefined) return { status: 404, bytes: Buffer.from(headOf(MISSING + date, asked, `content-length: 0\r\n${connection}`), 'latin1') }
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, tagOf(found))) return { status: 304, bytes: Buffer.from(headOf(KNOWN + date, asked, connection), 'latin1') }
  const key = `${view} ${revision} ${cacheControl} ${connection}`
  const bytes = found.form(key, () => Buffer.from(headOf(FOUND + date, asked, `content-length: ${found.body.length}\r\n${connection}`), 'latin1'))
  // One date is as long as another.
  bytes.write(date, FOUND.length, 'latin1')
  return { status: 200, bytes }
}

function headOf(start: string, asked: PackageReply, end: string): string {
  const { 'content-type': type, ...others } = headersOf(asked)
  const lines = Object.entries({ ...(type !== undefined && start.startsWith(FOUND) && { 'content-type': type }), ...others }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${start}\r\n${lines.join('')}${end}\r\n`
}
