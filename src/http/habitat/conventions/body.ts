import { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Depot } from '../../../depot/open.ts'
import { DepotError } from '../../../errors.ts'
import { shapeFault } from '../../../text/shape-fault.ts'
import { parserMessage } from '../../requests/error-reply.ts'
import { incoming, incomingText } from '../../requests/incoming.ts'
import { expectModest } from '../../requests/json-limits.ts'
import type { JsonLimits } from '../../requests/json-limits.ts'
import type { HabitatRequest } from './parameters.ts'

/**
 * Opens the stream of an uploaded package: the raw body, with or without a length, from `hab`, or the part
 * `file` of a form, from habitat-client. Reads nothing yet. Throws `hart_malformed` if there is no body,
 * `too_large`, and `invalid_request` for a bad form.
 */
export async function packageIn(request: HabitatRequest, depot: Depot, what: string): Promise<Readable> {
  const { maxUploadBytes } = depot.config
  if (!request.isMultipart()) {
    if (Number(request.headers['content-length']) > maxUploadBytes) {
      throw new DepotError(
        'too_large',
        `${what} would be larger than the ${maxUploadBytes} bytes that this depot accepts`,
      )
    }
    if (request.body instanceof Readable) return incoming(request.body, what, depot.limits)
    throw new DepotError('hart_malformed', `the upload of ${what} has no body`)
  }
  return incoming(await fileOfForm(request, what, depot.limits.bodyGraceMs), what, depot.limits)
}

/**
 * Reads a short text, for example a key file, or '' if there is no body. Throws `too_large`, `stalled`,
 * `overloaded` and `length_mismatch`.
 */
export async function readText(
  request: HabitatRequest,
  depot: Depot,
  options: { what: string; maxBytes: number },
): Promise<string> {
  if (!(request.body instanceof Readable)) return ''
  return incomingText(request.body, options.what, {
    ...depot.limits,
    maxBytes: options.maxBytes,
    take: (bytes) => request.bodies.take(request, bytes),
  })
}

const MAX_JSON_BYTES = 64 * 1024
const MODEST: JsonLimits = {
  maxDepth: 16,
  maxValues: 1_000,
  maxKeys: 100,
  maxKeyBytes: 256,
  maxTextBytes: MAX_JSON_BYTES,
}
const MAX_NAMED_FIELDS = 20

/**
 * Reads JSON of any Content-Type. Throws `invalid_request` if it does not match the shape, and the errors of
 * {@link readText}.
 */
export async function readJson<Shape extends z.ZodType>(
  request: HabitatRequest,
  depot: Depot,
  options: { what: string; shape: Shape },
): Promise<z.infer<Shape>> {
  const text = await readText(request, depot, { what: options.what, maxBytes: MAX_JSON_BYTES })
  expectModest(Buffer.from(text), MODEST)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new DepotError('invalid_request', `the body with ${options.what} is not JSON`, { cause: error })
  }
  const parsed = options.shape.safeParse(json, { error: shapeFault })
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues
    .slice(0, MAX_NAMED_FIELDS)
    .map((issue) => `${issue.path.join('.')} ${issue.message}`.trim())
  throw new DepotError('invalid_request', `the body with ${options.what} is invalid: ${wrong.join('; ')}`)
}

async function fileOfForm(request: HabitatRequest, what: string, graceMs: number): Promise<Readable> {
  // The request already ended; the parser would wait forever for its next event.
  if (request.raw.destroyed) throw new DepotError('length_mismatch', `${what} ended before its announced end`)
  const { promise: stall, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () =>
      reject(new DepotError('stalled', `the form with ${what} did not begin its file within ${graceMs} ms`)),
    graceMs,
  )
  try {
    const part = await Promise.race([request.file(), stall])
    if (part?.fieldname === 'file') return part.file
    throw new DepotError('invalid_request', `the form with ${what} has no file named "file"`)
  } catch (error) {
    if (error instanceof DepotError) throw error
    if (request.raw.destroyed && !request.raw.complete)
      throw new DepotError('length_mismatch', `${what} ended before its announced end`, { cause: error })
    throw new DepotError('invalid_request', `the form with ${what} is malformed: ${formFault(error)}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}

/** Describes an error of the form parser, which has codes only for its limits. */
function formFault(error: unknown): string {
  return error instanceof Error && 'code' in error
    ? parserMessage(error)
    : 'it ends early, or does not match its Content-Type'
}
