import type { FastifyReply, FastifyRequest } from 'fastify'
import { asUnavailable } from '../../database/errors.ts'
import { BlobUnreadable } from '../../blobs/storage.ts'
import { DepotError, shorten } from '../../errors.ts'
import type { ErrorCode, PROBLEMS } from '../../errors.ts'
import { lacksDescriptors } from './descriptors.ts'
import { acceptPrefersText, namesProblem, prefersText } from './as-text.ts'
import { MAX_PARAMETER_LENGTH } from './validate.ts'

const RETRY_AFTER_SECONDS = 5

interface Meaning {
  readonly status: number
  /** The status for `hab`, which hides the message of some statuses. */
  readonly habStatus?: number
  /** The body that Builder sends (habitat-today.md 3.6 and 6), if any. */
  readonly text?: string
  /** Builder's body is the error's message. */
  readonly sendsMessage?: true
  /** The `code` of `{code,msg}`, as of 2016 (habitat-2016.md 1.5). */
  readonly netCode: number
}

/** The maximum number of faults of one request that its answer lists. */
const MAX_PARTS = 50
/** The maximum lengths of texts, in characters. */
const MAX_DETAIL_LENGTH = 2_000
const MAX_PART_LENGTH = 500

const REMOTE_REJECTED = 2
const NOT_FOUND = 4
const INTERNAL = 5
const ACCESS_DENIED = 7
const SESSION_EXPIRED = 8
const CONFLICT = 9

/** The HTTP meaning of each error code, for all routes. */
const MEANINGS: Readonly<Record<ErrorCode, Meaning>> = {
  invalid_request: { status: 400, netCode: REMOTE_REJECTED },
  unauthenticated: { status: 401, netCode: SESSION_EXPIRED },
  too_many_attempts: { status: 429, netCode: ACCESS_DENIED },
  forbidden: { status: 403, netCode: ACCESS_DENIED },
  not_found: { status: 404, netCode: NOT_FOUND },
  method_not_allowed: { status: 405, netCode: REMOTE_REJECTED },
  already_exists: { status: 409, netCode: CONFLICT },
  conflict: { status: 409, netCode: CONFLICT },
  stale_revision: { status: 412, netCode: CONFLICT },
  // Not 412: a client that reads the revision again and continues would never notice that it missed
  // something.
  other_history: { status: 409, netCode: CONFLICT },
  stale_plan: { status: 412, netCode: CONFLICT },
  stale_settings: { status: 412, netCode: CONFLICT },
  idempotency_mismatch: { status: 422, netCode: CONFLICT },
  too_large: { status: 413, netCode: REMOTE_REJECTED },
  length_mismatch: { status: 400, netCode: REMOTE_REJECTED },
  stalled: { status: 408, netCode: REMOTE_REJECTED },
  hart_malformed: { status: 422, text: 'ds:up:0', netCode: REMOTE_REJECTED },
  checksum_missing: { status: 422, text: 'ds:up:3', netCode: REMOTE_REJECTED },
  checksum_mismatch: { status: 422, text: 'ds:up:3', netCode: REMOTE_REJECTED },
  signer_unknown: { status: 422, netCode: REMOTE_REJECTED },
  signature_invalid: { status: 422, netCode: REMOTE_REJECTED },
  ident_malformed: { status: 422, netCode: REMOTE_REJECTED },
  ident_mismatch: { status: 422, text: 'ds:up:6', netCode: REMOTE_REJECTED },
  target_malformed: { status: 422, text: 'ds:up:1', netCode: REMOTE_REJECTED },
  target_mismatch: { status: 422, text: 'ds:up:1', netCode: REMOTE_REJECTED },
  target_unsupported: { status: 501, netCode: REMOTE_REJECTED },
  key_malformed: { status: 422, text: 'Invalid origin public key', netCode: REMOTE_REJECTED },
  secret_key_malformed: { status: 422, text: 'Invalid origin secret key', netCode: REMOTE_REJECTED },
  key_upload_forbidden: { status: 403, sendsMessage: true, netCode: ACCESS_DENIED },
  origin_malformed: { status: 417, netCode: REMOTE_REJECTED },
  origin_reserved: { status: 403, netCode: ACCESS_DENIED },
  origin_not_empty: { status: 409, sendsMessage: true, netCode: CONFLICT },
  origin_from_upstream: { status: 403, sendsMessage: true, netCode: ACCESS_DENIED },
  invalid_value: { status: 422, netCode: REMOTE_REJECTED },
  transfer_to_owner: {
    status: 422,
    text: 'Cannot transfer origin ownership to self',
    netCode: REMOTE_REJECTED,
  },
  owner_cannot_depart: {
    status: 403,
    text: 'Departing the owner from the origin is not allowed',
    netCode: ACCESS_DENIED,
  },
  not_origin_member: { status: 422, sendsMessage: true, netCode: REMOTE_REJECTED },
  token_not_owned: { status: 401, text: 'Unauthorized access.', netCode: ACCESS_DENIED },
  view_absent: { status: 404, habStatus: 400, sendsMessage: true, netCode: NOT_FOUND },
  read_only: { status: 405, sendsMessage: true, netCode: REMOTE_REJECTED },
  refused: { status: 403, netCode: ACCESS_DENIED },
  not_member: { status: 400, netCode: REMOTE_REJECTED },
  in_use: { status: 422, netCode: CONFLICT },
  release_differs: { status: 422, text: 'ds:up:4', netCode: REMOTE_REJECTED },
  package_type_mismatch: { status: 422, netCode: REMOTE_REJECTED },
  phase_running: { status: 409, netCode: CONFLICT },
  lease_lost: { status: 409, netCode: CONFLICT },
  lockfile_malformed: { status: 422, netCode: REMOTE_REJECTED },
  storage_full: { status: 507, netCode: INTERNAL },
  storage_unavailable: { status: 503, netCode: INTERNAL },
  // Not 507, which clients repeat, and not 409, which hab takes for success.
  quota_exceeded: { status: 403, netCode: ACCESS_DENIED },
  blob_damaged: { status: 503, netCode: INTERNAL },
  blob_unreadable: { status: 503, netCode: INTERNAL },
  upstream_failed: { status: 502, sendsMessage: true, netCode: REMOTE_REJECTED },
  data_in_use: { status: 503, netCode: INTERNAL },
  data_gone: { status: 503, netCode: INTERNAL },
  shutting_down: { status: 503, netCode: INTERNAL },
  overloaded: { status: 503, netCode: INTERNAL },
  moving: { status: 503, netCode: INTERNAL },
  database_unavailable: { status: 503, netCode: INTERNAL },
  issuer_unavailable: { status: 503, netCode: INTERNAL },
}

/** Statuses that differ below `/api`, where Builder's choice is unusual. */
const API_STATUS: Partial<Record<ErrorCode, number>> = {
  refused: 409,
  quota_exceeded: 409,
  not_member: 409,
  in_use: 409,
  origin_malformed: 422,
  ident_malformed: 400,
  target_malformed: 400,
}

/** Returns the HTTP status of a problem below `/api` and on the operator's routes. */
export function apiStatus(code: keyof typeof PROBLEMS): number {
  return code === 'internal' ? 500 : (API_STATUS[code] ?? MEANINGS[code].status)
}

/** Returns the HTTP status of a problem below `/v1`, for clients other than `hab`. */
export function habitatStatus(code: keyof typeof PROBLEMS): number {
  return code === 'internal' ? 500 : MEANINGS[code].status
}

/**
 * Describes an error for the client of `/api`, the operator's routes or the page. Faults of the depot are
 * logged here. Sets the fields of the request for the log, and `Retry-After`.
 */
export function describeProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): Described {
  const described = describe(error, request, reply)
  return { ...described, status: API_STATUS[described.code as ErrorCode] ?? described.status }
}

/** Replies with a problem document (RFC 9457), for `/api` and the operator's routes. */
export function replyProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, status: statusBelowApi, detail, parts } = describeProblem(error, request, reply)
  if (statusBelowApi === 401) reply.header('www-authenticate', 'Bearer')
  reply.header('vary', 'accept, authorization')
  if (prefersText(request)) {
    const causes = parts.length < 2 ? [] : parts.map((part) => `  ${causeText(part)}`)
    const lines = [`${statusBelowApi} ${code}: ${detail}`, ...causes, `request ${request.id}`]
    return reply
      .code(statusBelowApi)
      .type('text/plain; charset=utf-8')
      .serializer(String)
      .send(`${lines.join('\n')}\n`)
  }
  return sendProblem(
    { code, status: statusBelowApi, detail, parts, ...(error instanceof DepotError && { more: error.more }) },
    request,
    reply,
  )
}

function causeText({ pointer = '', rule = '', detail }: DepotError['parts'][number]): string {
  return [pointer, rule, detail].filter((text) => text !== '').join(': ')
}

function sendProblem(
  { code, status, detail, parts, more }: Described & { more?: DepotError['more'] },
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = {
    type: `urn:hart-depot:error:${code}`,
    title: code.replaceAll('_', ' '),
    status,
    code,
    detail,
    ...(parts.length > 0 && { errors: parts }),
    ...more,
    request_id: request.id,
  }
  return reply
    .code(status)
    .type('application/problem+json')
    .send(`${JSON.stringify(problem)}\n`)
}

/**
 * Replies as Habitat's clients expect, mostly without a body. `hab` shows the `msg` of `{code,msg}`
 * (habitat-today.md 1.2). curl, wget and clients that accept text or problem documents get the reason. All
 * others get exactly Builder's answer.
 */
export function replyHabitat(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const described = describe(error, request, reply)
  const { code, status, detail } = described
  const meaning: Meaning | undefined = MEANINGS[code as ErrorCode]
  const isHab = request.headers['user-agent']?.startsWith('hab') === true
  reply.code(isHab ? (meaning?.habStatus ?? status) : status)
  if (isHab && request.method !== 'HEAD') {
    return reply
      .type('application/json')
      .send(JSON.stringify({ code: meaning?.netCode ?? INTERNAL, msg: detail }))
  }
  if (namesProblem(request)) return sendProblem(described, request, reply)
  if (acceptPrefersText(request) || AT_A_SHELL.test(request.headers['user-agent'] ?? ''))
    return reply.type('text/plain; charset=utf-8').send(`${detail}\n`)
  const builderText = error instanceof DepotError ? error.builderText : undefined
  const text = builderText ?? (meaning?.sendsMessage === true ? detail : meaning?.text)
  return text === undefined ? reply.send() : reply.type('text/plain').send(text)
}

/**
 * Replies 404 where Builder's answer has no body. People at a shell and clients that accept text or problem
 * documents get the sentence, all others no body.
 */
export function replyNothing(request: FastifyRequest, reply: FastifyReply, detail: string): FastifyReply {
  if (namesProblem(request))
    return sendProblem({ code: 'not_found', status: 404, detail, parts: [] }, request, reply)
  reply.code(404)
  return acceptPrefersText(request) || AT_A_SHELL.test(request.headers['user-agent'] ?? '')
    ? reply.type('text/plain; charset=utf-8').send(`${detail}\n`)
    : reply.send()
}

/** Replies to a request for which there is no route. */
export function replyNoRoute(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return replyNothing(request, reply, `there is nothing at ${request.url.split('?', 1)[0]}`)
}

/** The programs that people use at a shell, for example `curl/8.5.0` and `Wget/1.21`. */
const AT_A_SHELL = /^(curl|wget)\b/i

export interface Described {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly parts: DepotError['parts']
}

/**
 * Describes an error for the client. A refusal goes to `request.refusal` for the log line of the request, and
 * sets `Retry-After` if it says when to try again. A lack of file descriptors, an unreadable blob and a
 * database that is away become refusals. Any other error is a fault of the depot: it is logged with its
 * stack, and the client gets only the request id.
 */
function describe(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Described {
  const error = asUnavailable(thrown)
  if (lacksDescriptors(error)) {
    request.lacksDescriptors = true
    const refusal = new DepotError(
      'overloaded',
      `the depot has no file descriptors left: try again in ${RETRY_AFTER_SECONDS} seconds`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    )
    return describeRefusal(refusal, request, reply)
  }
  if (error instanceof BlobUnreadable) {
    request.log.error({ request: request.id, err: error }, 'a package could not be read')
    forgetHeaders(reply)
    const refusal = new DepotError('blob_unreadable', 'the stored file of the package cannot be read now', {
      cause: error,
    })
    return describeRefusal(refusal, request, reply)
  }
  if (error instanceof DepotError) return describeRefusal(error, request, reply)
  if (isFrameworkRefusal(error)) return describeFrameworkRefusal(error, request)
  request.log.error({ request: request.id, err: error }, 'request failed')
  request.refusalCode = 'internal'
  return {
    code: 'internal',
    status: 500,
    detail: `internal error: see the request ${request.id} in the depot's log`,
    parts: [],
  }
}

function describeRefusal(error: DepotError, request: FastifyRequest, reply: FastifyReply): Described {
  if (error.code === 'overloaded') forgetHeaders(reply)
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', error.retryAfterSeconds)
  request.refusal = `${error.code}: ${error.message}`
  request.refusalCode = error.code
  return {
    code: error.code,
    status: MEANINGS[error.code].status,
    detail: shorten(error.message, MAX_DETAIL_LENGTH),
    parts: error.parts,
  }
}

/** A refusal of fastify, its parsers or the schema of a route. */
interface FrameworkRefusal extends Error {
  readonly statusCode: number
}

function isFrameworkRefusal(error: unknown): error is FrameworkRefusal {
  return (
    error instanceof Error &&
    'statusCode' in error &&
    typeof error.statusCode === 'number' &&
    error.statusCode < 500
  )
}

function describeFrameworkRefusal(error: FrameworkRefusal, request: FastifyRequest): Described {
  const parts = validationParts(error)
  const listed = parts.slice(0, MAX_PARTS)
  const others = parts.length > MAX_PARTS ? `; and ${parts.length - MAX_PARTS} more` : ''
  const message =
    parts.length === 0
      ? parserMessage(error)
      : listed
          .map(({ pointer = '', detail }) => (pointer === '' ? detail : `${pointer}: ${detail}`))
          .join('; ')
  const detail = `${shorten(message, MAX_DETAIL_LENGTH)}${others}`
  const code = error.statusCode === 413 ? 'too_large' : 'invalid_request'
  request.refusal = detail
  request.refusalCode = code
  return {
    code,
    status: error.statusCode,
    detail,
    parts: listed,
  }
}

/** Removes headers that were set for another answer, so that no cache stores a refusal in its place. */
function forgetHeaders(reply: FastifyReply): void {
  for (const name of Object.keys(reply.getHeaders())) if (name !== 'connection') reply.removeHeader(name)
}

/**
 * Messages for errors of fastify and its parsers, by code (fastify.dev/docs/latest/Reference/Errors). Their
 * own messages name settings and functions.
 */
const PARSER_MESSAGES: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'the URL cannot be decoded: write a literal % as %25',
  FST_ERR_CTP_BODY_TOO_LARGE: 'the body is too large for this route',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'the body is empty; JSON is expected',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the length of the body differs from Content-Length',
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not JSON, or has a field named __proto__ or constructor',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'this route does not accept this Content-Type',
  FST_ERR_MAX_PARAM_LENGTH: `a part of the path has more than ${MAX_PARAMETER_LENGTH} characters`,
  FST_INVALID_MULTIPART_CONTENT_TYPE:
    'the form does not match its Content-Type: multipart/form-data with a boundary is expected',
  FST_REQ_FILE_TOO_LARGE: 'the file in the form is too large for this route',
  FST_FILES_LIMIT: 'the form has too many files',
  FST_FIELDS_LIMIT: 'the form has too many fields',
  FST_PARTS_LIMIT: 'the form has too many parts',
  FST_PROTO_VIOLATION: 'the form has a field with a forbidden name',
}

/** Returns the message for an error of fastify or one of its parsers. */
export function parserMessage(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return PARSER_MESSAGES[code] ?? `the request is invalid${code === '' ? '' : ` (${code})`}`
}

/**
 * Lists how a request violates the schema of its route, one part per fault. Each unknown field is a part of
 * its own.
 */
function validationParts(error: Error): DepotError['parts'] {
  if (!('validation' in error) || !Array.isArray(error.validation)) return []
  const issues = error.validation as readonly {
    instancePath?: string
    message?: string
    params?: { keys?: readonly string[] }
  }[]
  return issues.flatMap(({ instancePath = '', message = 'invalid', params }) => {
    const place = instancePath === '/' ? '' : instancePath
    if (params?.keys === undefined)
      return [{ detail: shorten(message, MAX_PART_LENGTH), pointer: shorten(place, MAX_PART_LENGTH) }]
    const details = message.split('\n')
    return params.keys.map((key, index) => ({
      detail: details[index] ?? 'unknown field',
      pointer: shorten(`${place}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, MAX_PART_LENGTH),
    }))
  })
}
