import { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import { shapeFault } from '../../../text/shape-fault.ts'
import { incomingText } from '../../../publishing/incoming.ts'
import { expectModest } from '../../requests/json-limits.ts'
import type { JsonLimits } from '../../requests/json-limits.ts'
import type { HabitatRequest } from './parameters.ts'

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
