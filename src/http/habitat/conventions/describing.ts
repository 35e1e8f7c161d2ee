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
export const json = (description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})
export const list = (items: Schema): Schema => ({ type: 'array', items })
export const object = (properties: Record<string, Schema>): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
})

export const shape = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

export const STRING = { type: 'string' }

export const NOT_FOUND = { 404: empty('not found, or not visible to the caller') }
export const REFUSED = { 401: empty('no token or an invalid one'), 403: empty('not allowed for this token') }
