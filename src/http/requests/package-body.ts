import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'
import { parserMessage } from './error-reply.ts'
import { incoming } from '../../publishing/incoming.ts'

/** The maximum size of a form field besides the package. These fields are ignored. */
const MAX_FIELD_BYTES = 1024

/**
 * Lets the handlers of a scope read bodies as streams, because rights are checked before a body is read.
 * Bodies may have any Content-Type, because clients send many or none.
 */
export async function streamBodies(scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, body, done) => done(null, body))
  await scope.register(multipart, {
    limits: { files: 1, fields: 8, fieldSize: MAX_FIELD_BYTES, fileSize: Number.MAX_SAFE_INTEGER },
  })
}

/**
 * Opens the stream of an uploaded package, which errors call `what`. `hab` sends the package as the body,
 * with or without a length; habitat-client sends it as the part `file` of a form. A form is read up to this
 * part; a body is not read yet. Throws `hart_malformed` if there is no body, `too_large`, and, for a form,
 * `invalid_request`, `stalled` and `length_mismatch`. The stream fails like {@link incoming}.
 */
export async function openPackageBody(
  request: FastifyRequest,
  depot: Depot,
  what: string,
): Promise<Readable> {
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

async function fileOfForm(request: FastifyRequest, what: string, graceMs: number): Promise<Readable> {
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
