import { DepotError } from '../errors.ts'
import type { ErrorCode, ErrorPart } from '../errors.ts'

// Messages between threads drop the class of an error and properties such as `code`, so errors are sent as
// plain objects: a DepotError as `refusal`, any other as `fault`.

export type PackedError =
  | {
      readonly kind: 'refusal'
      readonly code: ErrorCode
      readonly message: string
      readonly parts: readonly ErrorPart[]
      readonly more: Readonly<Record<string, unknown>>
      readonly retryAfterSeconds: number | undefined
      readonly builderText: string | undefined
    }
  | {
      readonly kind: 'fault'
      readonly name: string
      readonly message: string
      readonly stack: string | undefined
      readonly properties: Readonly<Record<string, unknown>>
    }

/** Converts an error to a plain object. Keeps the properties of faults that are texts or numbers. */
export function packError(error: unknown): PackedError {
  if (error instanceof DepotError)
    return {
      kind: 'refusal',
      code: error.code,
      message: error.message,
      parts: error.parts,
      more: error.more,
      retryAfterSeconds: error.retryAfterSeconds,
      builderText: error.builderText,
    }
  if (!(error instanceof Error))
    return { kind: 'fault', name: 'Error', message: String(error), stack: undefined, properties: {} }
  const plain = Object.entries(error).filter(
    ([, value]) => typeof value === 'string' || typeof value === 'number',
  )
  return {
    kind: 'fault',
    name: error.name,
    message: error.message,
    stack: error.stack,
    properties: Object.fromEntries(plain),
  }
}

/** Converts the plain object back to an error. */
export function unpackError(packed: PackedError): Error {
  if (packed.kind === 'refusal') {
    const { code, message, parts, more, retryAfterSeconds, builderText } = packed
    return new DepotError(code, message, {
      parts,
      more,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      ...(builderText !== undefined && { builderText }),
    })
  }
  const { name, message, stack, properties } = packed
  return Object.assign(new Error(message), { name, ...(stack !== undefined && { stack }), ...properties })
}
