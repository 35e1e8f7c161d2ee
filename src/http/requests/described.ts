import { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'

// How routes are described for openapi.yaml, beside their schemas. Nothing here is enforced at run time.

declare module 'fastify' {
  interface FastifySchema {
    /**
     * The problem codes that this operation answers, besides those of every operation (`invalid_request`,
     * `unauthenticated`, `too_many_attempts`, `overloaded`, `internal`), of every body (`too_large`,
     * `length_mismatch`, `stalled`) and of every change (`storage_full`, `shutting_down`).
     */
    readonly errors?: readonly ErrorCode[]
    /** Examples of this operation, where those of its shapes would mislead. */
    readonly examples?: { readonly body?: unknown; readonly answer?: unknown }
  }
}

/**
 * Gives a shape a name of its own in openapi.yaml, and examples. Operations whose body or answer has this
 * shape show the examples. Bodies and answers need both a name and an example.
 */
export function named<Shape extends z.ZodType>(
  id: string,
  shape: Shape,
  ...examples: readonly z.input<Shape>[]
): Shape {
  return shape.meta({ id, ...(examples.length > 0 && { 'x-examples': [...examples] }) })
}

/** An answer or an error as text. */
export const Text = named('Text', z.string().describe('columns for people; programs should use JSON'))
