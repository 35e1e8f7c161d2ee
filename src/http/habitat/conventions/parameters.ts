import type { FastifyRequest } from 'fastify'
import { DepotError, quote } from '../../../errors.ts'
import { formatIdent, makeIdent } from '../../../package/ident.ts'
import type { Ident } from '../../../package/ident.ts'
import { DEFAULT_TARGET, isTarget, targetMalformed } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'

// Parses the URL and headers of requests to the Habitat routes.

/** The path parameters of all routes. A handler reads only those of its own route. */
export interface PathParameters {
  readonly view: string | undefined
  readonly channel: string
  readonly origin: string
  readonly name: string
  readonly version: string | undefined
  readonly release: string
  readonly revision: string
  readonly visibility: string
  /** The search terms. */
  readonly words: string
  readonly account: string
  /** The type of an integration. */
  readonly type: string
  /** The id of an invitation or a token. */
  readonly id: string
}

export type HabitatRequest = FastifyRequest<{
  Params: PathParameters
  Querystring: Record<string, string | string[] | undefined>
}>

/** Parses the ident in the URL. Throws `ident_malformed`. */
export function identOf({ params: { origin, name, version = '', release } }: HabitatRequest): Ident {
  return makeIdent({ origin, name, version, release })
}

/** Returns the text of an ident without validating it: a read of an invalid ident finds nothing. */
export function identTextOf({ params: { origin, name, version = '', release } }: HabitatRequest): string {
  return formatIdent({ origin, name, version, release })
}

/** Parses the id of an invitation or a token. Throws `invalid_value`. */
export function idOf({ params: { id } }: HabitatRequest): number {
  if (!/^\d{1,19}$/.test(id)) throw new DepotError('invalid_value', `${quote(id)} is not an id`)
  return Number(id)
}

/** Returns a parameter of the query, or the first one if it is repeated. */
export function queryOf(request: HabitatRequest, name: string): string | undefined {
  const value = request.query[name]
  return Array.isArray(value) ? value[0] : value
}

/** Returns the parts of the URL that restrict a list: an origin, perhaps a name, perhaps a version. */
export function prefixOf({ params: { origin, name, version } }: HabitatRequest): string[] {
  const parts: (string | undefined)[] = [origin, name, version]
  return parts.filter((part) => part !== undefined)
}

/** Parses the target in the query. Throws `target_malformed`. */
export function parseTarget(request: HabitatRequest): Target | undefined {
  const text = queryOf(request, 'target')
  if (text === undefined || text === '') return undefined
  if (isTarget(text)) return text
  throw targetMalformed(text, { builderText: `Invalid package target '${text}'` }) // habitat-today.md 6, Packages
}

/** Returns the target in the query, or else that of the client, or else the default. */
export function targetOrDefault(request: HabitatRequest): Target {
  return parseTarget(request) ?? clientTarget(request.headers['user-agent']) ?? DEFAULT_TARGET
}

/** The page size of current lists (habitat-today.md 3.5). */
export const PAGE_SIZE = 50

/** Parses `range`, a zero-based offset or a negative number. Throws `invalid_request`. */
export function rangeOf(request: HabitatRequest): number {
  const text = queryOf(request, 'range')
  if (text === undefined || text === '') return 0
  if (!/^-?\d{1,15}$/.test(text))
    throw new DepotError('invalid_request', `range must be a number, not ${quote(text)}`)
  return Number(text)
}

/** Like {@link rangeOf}, with 0 for negative numbers. */
export function offsetOf(request: HabitatRequest): number {
  return Math.max(0, rangeOf(request))
}

/**
 * Returns the page that contains an offset. Most lists start there, not at the offset (habitat-today.md 3.5).
 */
export function pageAt(offset: number): { offset: number; limit: number } {
  return { offset: offset - (offset % PAGE_SIZE), limit: PAGE_SIZE }
}

/** Parses `true` or `false`; the default is false. Throws `invalid_request`. */
export function flagOf(request: HabitatRequest, name: string): boolean {
  const text = queryOf(request, name)
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw new DepotError('invalid_request', `${name} must be true or false, not ${quote(text)}`)
}

/** Returns the target in the `User-Agent` of a client, if it is a known one. */
export function clientTarget(userAgent: string | undefined): Target | undefined {
  const own = targetOfAgent(userAgent)
  return own !== undefined && isTarget(own) ? own : undefined
}

/**
 * Returns the target in the `User-Agent`, which is the default target of a request (habitat-today.md 3.1).
 */
export function targetOfAgent(userAgent: string | undefined): string | undefined {
  return /\((\w+-\w+);/.exec(userAgent ?? '')?.[1]
}
