import { isTarget } from '../../package/target.ts'
import type { PollPath, Poll } from './polls.ts'

/** A poll as it came from the socket, with what its answer depends on. */
export interface PollRequest {
  readonly poll: Poll
  /** As in the request line. */
  readonly url: string
  readonly authorization: string | undefined
  readonly ifNoneMatch: string | undefined
  /** Whether the client wants no further answer on this connection. */
  readonly isLast: boolean
}

/** Polls are a few hundred bytes. */
const LONGEST = 2_048

// A GET without a body, in one piece, of HTTP/1.1 as everybody writes it (RFC 9112): what is written otherwise is for a real parser.
const REQUEST = /^GET (\/v1\/[!-~]{1,1000}) HTTP\/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)\r\n$/

const SEGMENT = '([\\w.@+~:-]+)'
const PATH = new RegExp(
  `^/v1(?:/depot)?(?:/views/${SEGMENT}(?:/depot)?)?/(?:pkgs/${SEGMENT}|channels/${SEGMENT}/${SEGMENT}/pkgs)/${SEGMENT}(?:/${SEGMENT})?/${SEGMENT}(?:\\?target=([a-z0-9_-]+))?$`,
)

/** Headers that change what a request means, how it is read, or what becomes of its connection: with any of them it goes the ordinary way. */
const NOT_SHORT = new Set([
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
])

/** `undefined` for whatever is not exactly one whole poll. Nothing that this reads does node:http read otherwise. */
export function parsePollRequest(piece: Buffer): PollRequest | undefined {
  if (piece.length > LONGEST) return undefined
  const [, url = '', head = ''] = REQUEST.exec(piece.toString('latin1')) ?? []
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
    isLast: connection === 'close',
  }
}

function readPath(url: string): (PollPath & Pick<Poll, 'target'>) | undefined {
  const parts = PATH.exec(url)
  if (parts === null) return undefined
  const [, view, origin = parts[3], , channel, name = '', version, last = '', target] = parts
  if (origin === undefined || (target !== undefined && !isTarget(target))) return undefined
  if (last === 'latest') return { view, channel, origin, name, version, release: undefined, target }
  // Without a target it may be any of several releases.
  return version === undefined || target === undefined
    ? undefined
    : { view, channel, origin, name, version, release: last, target }
}

interface Read {
  host?: string
  connection?: string
  authorization?: string
  'user-agent'?: string
  'if-none-match'?: string
}

/** The few that a poll is answered by. `undefined` when one of them is there twice, or one that makes the request another. */
function readHeaders(head: string): Read | undefined {
  const read: Read = {}
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
      name === 'if-none-match'
    ) {
      if (read[name] !== undefined) return undefined
      read[name] = head.slice(colon + 1, end).trim()
    } else if (NOT_SHORT.has(name)) {
      return undefined
    }
  }
  return read
}
