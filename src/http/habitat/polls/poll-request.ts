import { isTarget } from '../../../package/target.ts'
import type { PollPath, Poll } from './answer-poll.ts'

/** A poll parsed from the socket, with everything its answer depends on. */
export interface PollRequest {
  readonly poll: Poll
  /** The URL of the request line. */
  readonly url: string
  readonly authorization: string | undefined
  readonly ifNoneMatch: string | undefined
  /** For the count of pollers. */
  readonly forwardedFor: string | undefined
  /** Whether the client wants to close the connection after the answer. */
  readonly isLast: boolean
  /** The lines of all headers. */
  readonly head: string
}

/** Longer requests are left to node:http. Polls have a few hundred bytes. */
const MAX_HEAD_BYTES = 2_048

// Matches a GET of HTTP/1.1 without a body, in its usual form (RFC 9112). Unusual forms are left to
// node:http.
const REQUEST = /^GET (\/v1\/[!-~]{1,1000}) HTTP\/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)\r\n$/

const SEGMENT = '([\\w.@+~:-]+)'
const PATH = new RegExp(
  `^/v1(?:/depot)?(?:/views/${SEGMENT}(?:/depot)?)?/(?:pkgs/${SEGMENT}|channels/${SEGMENT}/${SEGMENT}/pkgs)/${SEGMENT}(?:/${SEGMENT})?/${SEGMENT}(?:\\?target=([a-z0-9_-]+))?$`,
)

/**
 * Headers that change the meaning of a request, its parsing or its connection. Requests with any of them are
 * left to node:http.
 */
const UNSUPPORTED_HEADERS = new Set([
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
])

/**
 * Parses a poll. Returns `undefined` unless the chunk is exactly one complete poll. node:http would parse
 * every accepted chunk in the same way.
 */
export function parsePollRequest(chunk: Buffer): PollRequest | undefined {
  if (chunk.length > MAX_HEAD_BYTES) return undefined
  const [, url = '', head = ''] = REQUEST.exec(chunk.toString('latin1')) ?? []
  if (url === '') return undefined
  const path = readPath(url)
  if (path === undefined) return undefined
  const headers = readHeaders(head)
  if (headers?.host === undefined) return undefined
  const connection = headers.connection?.toLowerCase()
  if (connection !== undefined && connection !== 'close' && connection !== 'keep-alive') return undefined
  const poll = { ...path, userAgent: headers['user-agent'] }
  return {
    poll,
    url,
    authorization: headers.authorization,
    ifNoneMatch: headers['if-none-match'],
    forwardedFor: headers['x-forwarded-for'],
    isLast: connection === 'close',
    head,
  }
}

/** Reports whether the client may get a sentence in place of an empty 404. */
export function mayWantSentence({ head }: PollRequest): boolean {
  return /^(?:user-agent: *(?:curl|wget)|accept:.*(?:text\/|problem))/im.test(head)
}

function readPath(url: string): (PollPath & Pick<Poll, 'target'>) | undefined {
  const parts = PATH.exec(url)
  if (parts === null) return undefined
  const [, view, origin = parts[3], , channel, name = '', version, last = '', target] = parts
  if (origin === undefined || (target !== undefined && !isTarget(target))) return undefined
  if (last === 'latest') return { view, channel, origin, name, version, release: undefined, target }
  // Without a target, the release may exist for several targets.
  return version === undefined || target === undefined
    ? undefined
    : { view, channel, origin, name, version, release: last, target }
}

/** The headers that affect a poll. */
interface PollHeaders {
  host?: string
  connection?: string
  authorization?: string
  'user-agent'?: string
  'if-none-match'?: string
  'x-forwarded-for'?: string
}

/**
 * Reads the headers that affect a poll. Returns `undefined` if one of them is repeated or a header is
 * unsupported.
 */
function readHeaders(head: string): PollHeaders | undefined {
  const headers: PollHeaders = {}
  for (let at = 0; at < head.length;) {
    const colon = head.indexOf(':', at)
    const end = head.indexOf('\r\n', colon)
    const name = head.slice(at, colon).toLowerCase()
    at = end + 2
    if (
      name === 'host' ||
      name === 'connection' ||
      name === 'authorization' ||
      name === 'user-agent' ||
      name === 'if-none-match' ||
      name === 'x-forwarded-for'
    ) {
      if (headers[name] !== undefined) return undefined
      headers[name] = head.slice(colon + 1, end).trim()
    } else if (UNSUPPORTED_HEADERS.has(name)) {
      return undefined
    }
  }
  return headers
}
