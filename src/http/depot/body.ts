import { Readable } from 'node:stream'
import { DepotError } from '../../errors.ts'
import type { Asking } from './asked.ts'

/**
 * The stream of an uploaded package, and whether it came wrapped: raw, with or without a length, from `hab`; as the part `file`
 * of a form, from habitat-client. Nothing is read from a raw body yet. Throws `invalid_request` when there is none.
 */
export async function packageIn(request: Asking): Promise<{ body: Readable; isMultipart: boolean }> {
  if (!request.isMultipart()) {
    if (request.body instanceof Readable) return { body: request.body, isMultipart: false }
    throw new DepotError('hart_malformed', 'the upload has no body')
  }
  const part = await request.file()
  if (part === undefined) throw new DepotError('invalid_request', 'the form has no part named file')
  if (part.fieldname !== 'file') {
    part.file.resume()
    throw new DepotError('invalid_request', `the form's file is named ${part.fieldname}, not file`)
  }
  return { body: part.file, isMultipart: true }
}

/** Reads a short text, such as a key file. Throws `too_large`. */
export async function readText(body: unknown, mostBytes: number): Promise<string> {
  if (!(body instanceof Readable)) return ''
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(piece)) throw new TypeError('a request body came as something other than bytes')
    size += piece.length
    if (size > mostBytes) throw new DepotError('too_large', `the body is larger than ${mostBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
