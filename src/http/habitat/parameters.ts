import type { FastifyRequest } from 'fastify'
import { DepotError, quote } from '../../errors.ts'
import { makeIdent } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import { DEFAULT_TARGET, isTarget, targetMalformed } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { clientTarget } from './polls.ts'
import type { Poll } from './polls.ts'

// What a request at the Habitat door asks for and who asks, taken from its URL and headers.

/** The parameters any of this door's routes may have; a handler reads those that its own route has. */
export interface Path {
  readonly view: string | undefined
  readonly channel: string
  readonly origin: string
  readonly name: string
  readonly version: string | undefined
  readonly release: string
  readonly revision: string
  readonly visibility: string
  /** What is searched for. */
  readonly words: string
  readonly account: string
  /** Of an integration. */
  readonly type: string
  /** Of an invitation or a token. */
  readonly id: string
}

export type HabitatRequest = FastifyRequest<{
  Params: Path
  Querystring: Record<string, string | string[] | undefined>
}>

/** Throws `ident_malformed`. */
export function identOf({ params: { origin, name, version = '', release } }: HabitatRequest): Ident {
  return makeIdent({ origin, name, version, release })
}

/** The text of an ident to look up: reads refuse none, they just do not find it. */
export function identTextOf({ params: { origin, name, version = '', release } }: HabitatRequest): string {
  return `${origin}/${name}/${version}/${release}`
}

/** The number of an invitation or a token. Throws `invalid_value`. */
export function idOf({ params: { id } }: HabitatRequest): number {
  if (!/^\d{1,19}$/.test(id)) throw new DepotError('invalid_value', `${quote(id)} is not an id`)
  return Number(id)
}

export function query(request: HabitatRequest, name: string): string | undefined {
  const value = request.query[name]
  return Array.isArray(value) ? value[0] : value
}

/** The target named in the query. Throws `target_malformed`. */
export function parseTarget(request: HabitatRequest): Target | undefined {
  const text = query(request, 'target')
  if (text === undefined || text === '') return undefined
  if (isTarget(text)) return text
  throw targetMalformed(text, { builderText: `Invalid package target '${text}'` }) // habitat-today.md 6, Packages
}

/** The target named or, failing it, the client's own or the default one. */
export function targetOrDefault(request: HabitatRequest): Target {
  return parseTarget(request) ?? clientTarget(request.headers['user-agent']) ?? DEFAULT_TARGET
}

/** What a poll asks. Throws `target_malformed`. */
export function pollOf(
  request: HabitatRequest,
  { isLatest, isChannel }: { isLatest: boolean; isChannel: boolean },
): Poll {
  const { view, channel, origin, name, version, release } = request.params
  const path = {
    view,
    channel: isChannel ? channel : undefined,
    origin,
    name,
    version,
    release: isLatest ? undefined : release,
  }
  return { ...path, target: parseTarget(request), userAgent: request.headers['user-agent'] }
}

/** How many items a page of today's lists holds (habitat-today.md 3.5). */
export const PAGE = 50

/** `range`: a zero-based offset, or a negative number. Throws `invalid_request`. */
export function rangeOf(request: HabitatRequest): number {
  const text = query(request, 'range')
  if (text === undefined || text === '') return 0
  if (!/^-?\d{1,15}$/.test(text))
    throw new DepotError('invalid_request', `range must be a number, not ${quote(text)}`)
  return Number(text)
}

/** A {@link rangeOf} of which a negative one is the beginning. */
export function offsetOf(request: HabitatRequest): number {
  return Math.max(0, rangeOf(request))
}

/** The page that an offset falls into: most lists answer that one, whatever lies before the offset (habitat-today.md 3.5). */
export function pageAt(offset: number): { offset: number; limit: number } {
  return { offset: offset - (offset % PAGE), limit: PAGE }
}

/** `true` or `false`. Throws `invalid_request`. */
export function flagOf(request: HabitatRequest, name: string): boolean {
  const text = query(request, name)
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw new DepotError('invalid_request', `${name} must be true or false, not ${quote(text)}`)
}
