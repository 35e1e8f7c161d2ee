import type { FastifySchema, FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { shapeFault } from '../../text/shape-fault.ts'

/** Holds what a client sent against the shape of its route, for fastify. Each fault is a sentence of our own; what is unknown is in `params.keys`. */
export const validate: FastifySchemaCompiler<FastifySchema> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = (schema as unknown as z.ZodType).safeParse(data, { error: shapeFault })
    if (parsed.success) return { value: parsed.data }
    const faults = parsed.error.issues.map((issue) => {
      const place = `/${issue.path.join('/')}`
      return {
        keyword: issue.code,
        instancePath: place,
        schemaPath: `#${place}/${issue.code}`,
        message: issue.message,
        params: issue.code === 'unrecognized_keys' ? { keys: issue.keys } : {},
      }
    })
    return { error: faults as unknown as Error }
  }
