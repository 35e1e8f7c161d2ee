import { z } from 'zod'
import { pageOf } from './shapes.ts'

// Helpers for describing the Habitat routes in openapi.yaml.

export interface Schema {
  readonly [keyword: string]: unknown
}

export interface Description {
  readonly summary: string
  readonly query?: readonly (keyof typeof PARAMETERS)[]
  /** The required parameters of `query`. */
  readonly needs?: readonly (keyof typeof PARAMETERS)[]
  readonly body?: Schema
  readonly consumes?: readonly string[]
  /** Responses by status. */
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

export const text = (description: string) => ({
  description,
  content: { 'text/plain': { schema: { type: 'string' } } },
})
export const empty = (description: string) => ({ type: 'null', description })
export const json = (description: string, shape: z.ZodType) => ({
  description,
  content: { 'application/json': { schema: schemaOf(shape) } },
})
/** The answers of a list: its last page, or an earlier one. */
export const pages = (item: z.ZodType) => ({
  200: json('the last page', pageOf(item)),
  206: json('a page that is not the last', pageOf(item)),
  400: empty('an invalid parameter'),
})

export const NOT_FOUND = { 404: empty('not found, or not visible to the caller') }
export const REFUSED = { 401: empty('no token or an invalid one'), 403: empty('not allowed for this token') }
export const PROMOTED = {
  200: empty(
    'success, also if nothing changed. The headers Depot-View, Depot-Revision, Depot-Target and Depot-Changed have the details',
  ),
}

/** Converts a shape to the JSON Schema of openapi.yaml, which has named shapes among its components. */
export function schemaOf(shape: z.ZodType): Schema {
  const { $schema: _dialect, $defs: _named, ...schema } = z.toJSONSchema(shape)
  return JSON.parse(JSON.stringify(schema).replaceAll('#/$defs/', '#/components/schemas/')) as Schema
}
