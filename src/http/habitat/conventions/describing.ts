import type { z } from 'zod'
import { Text } from '../../requests/described.ts'

// Helpers for describing the Habitat routes in openapi.yaml.

export interface Schema {
  readonly [keyword: string]: unknown
}

export interface Description {
  /** The name of the method in generated clients. Below the URL of a view, it ends in `InView`. */
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly query?: readonly (keyof typeof PARAMETERS)[]
  /** The required parameters of `query`. */
  readonly needs?: readonly (keyof typeof PARAMETERS)[]
  readonly body?: z.ZodType
  readonly consumes?: readonly string[]
  /**
   * Responses by status. document.ts adds the responses that every operation has, for example to a wrong
   * token.
   */
  readonly answers: Readonly<Record<number, Schema>>
}

export const PARAMETERS = {
  target: {
    type: 'string',
    description: "the platform; default: the one in the client's User-Agent, or else x86_64-linux",
  },
  range: { type: 'integer', description: 'a zero-based offset into the list' },
  distinct: { type: 'boolean', description: 'lists packages instead of releases' },
  sandbox: { type: 'boolean', description: 'includes channels whose names start with `bldr-`' },
  channel: { type: 'string', description: 'the name of a channel' },
  from_date: { type: 'string', description: 'the first day, YYYY-MM-DD' },
  to_date: { type: 'string', description: 'the last day, YYYY-MM-DD' },
  query: { type: 'string', description: 'words of package names' },
  checksum: { type: 'string', description: 'BLAKE2b-256 of the file, in hex' },
  role: { type: 'string', description: '`readonly_member`, `member`, `maintainer` or `administrator`' },
  forced: {
    type: 'string',
    description: '`true` accepts an existing ident if the bytes are the same',
  },
} as const

/**
 * Describes a response with a body. The next three functions describe responses in text, in JSON and without
 * a body.
 */
export const file = (description: string, shape: z.ZodType, type = 'text/plain') => ({
  description,
  content: { [type]: { schema: schemaOf(shape) } },
})
export const text = (description: string) => file(description, Text)
export const json = (description: string, shape: z.ZodType) => file(description, shape, 'application/json')
export const empty = (description: string) => ({ type: 'null', description })
/** The answers of a list: its last page, or an earlier one. */
export const pages = (page: z.ZodType) => ({
  200: json('the last page', page),
  206: json('a page that is not the last', page),
  400: empty('an invalid parameter'),
})

export const NOT_FOUND = { 404: empty('not found, or not visible to the caller') }
export const REFUSED = { 401: empty('no token or an invalid one'), 403: empty('not allowed for this token') }
export const PROMOTED = {
  200: empty(
    'success, also if nothing changed. The headers Depot-View, Depot-Revision, Depot-Target and Depot-Changed have the details',
  ),
}

/**
 * Returns a reference to a named shape among the components of openapi.yaml, in its form for requests
 * (`input`) or for answers. Throws for a shape without a name.
 */
export function schemaOf(shape: z.ZodType, io: 'input' | 'output' = 'output'): Schema {
  const { id } = shape.meta() ?? {}
  if (id === undefined) throw new Error('bodies and answers need a name: wrap the shape in named()')
  return { $ref: `#/components/schemas/${id}${io === 'input' ? 'Input' : ''}` }
}
