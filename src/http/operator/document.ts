import type { z } from 'zod'
import { PROBLEMS } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import { Text } from '../requests/described.ts'
import { Problem } from '../requests/problem.ts'
import { Fault } from '../habitat/conventions/shapes.ts'
import { apiStatus } from '../requests/error-reply.ts'

// Completes the OpenAPI document that the library makes from the routes. Adds error responses and examples,
// and leaves one schema for each shape.

type Json = Record<string, unknown>

interface Media {
  schema: {
    readonly $ref?: string
    readonly anyOf?: readonly { readonly $ref?: string; readonly type?: string }[]
  }
  examples?: Record<string, unknown>
}

interface Response {
  description: string
  content?: Record<string, Media>
}

export interface Operation {
  readonly operationId?: string
  readonly requestBody?: { required?: boolean; readonly content: Record<string, Media> }
  responses: Record<string, Response | { $ref: string }>
  'x-errors'?: readonly ErrorCode[]
  'x-examples'?: { readonly body?: unknown; readonly answer?: unknown }
}

export interface Document extends Json {
  readonly paths: Record<string, Record<string, Operation>>
  components: Json & { schemas: Record<string, Json>; responses?: Record<string, Response> }
}

/** The error codes of every operation. */
const CODES_OF_ALL = ['invalid_request', 'unauthenticated', 'too_many_attempts', 'overloaded'] as const
/** Further codes of operations with a body. */
const CODES_OF_BODIES = ['too_large', 'length_mismatch', 'stalled'] as const
/** Further codes of operations that change something. */
const CODES_OF_CHANGES = ['storage_full', 'shutting_down'] as const

/** Completes a document in place. */
export function completeDocument(document: Document): void {
  const responses: Record<string, Response> = {}
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(operations)) {
      allowNoBody(operation)
      if (path.startsWith('/v1/')) addFaults(operation, responses)
      else addProblems(operation, method, responses)
      delete operation['x-errors']
    }
  document.components.responses = sorted(responses)
  nameShapes(document)
  const examples = takeExamples(document.components.schemas)
  const shown: Record<string, { value: unknown }> = {}
  for (const operation of Object.values(document.paths).flatMap((operations) => Object.values(operations))) {
    showExamples(operation, examples, shown)
    delete operation['x-examples']
  }
  document.components = {
    ...document.components,
    schemas: sorted(document.components.schemas),
    examples: sorted(shown),
  }
}

/**
 * The library makes two schemas of each named shape: `Name` for answers, and `NameInput` for requests, in
 * which fields with a default are optional. Removes unused schemas. If only `NameInput` is used, or if both
 * are equal, one schema `Name` remains.
 */
function nameShapes(document: Document): void {
  const { schemas } = document.components
  const used = usedSchemas(document)
  const renamed = Object.keys(schemas).filter((name) => {
    const base = name.replace(/Input$/, '')
    if (base === name || !used.has(name) || !(base in schemas)) return false
    return !used.has(base) || withoutInput(schemas[name]) === withoutInput(schemas[base])
  })
  for (const name of renamed) schemas[name.replace(/Input$/, '')] = schemas[name] ?? {}
  const names = new Map(renamed.map((name) => [name, name.replace(/Input$/, '')]))
  for (const name of Object.keys(schemas))
    if (!used.has(name) && ![...names.values()].includes(name)) delete schemas[name]
  for (const name of renamed) delete schemas[name]
  rewriteReferences(document, names)
}

/** Makes a body optional if its schema allows null. */
function allowNoBody({ requestBody }: Operation): void {
  if (requestBody === undefined) return
  for (const media of Object.values(requestBody.content)) {
    const [shape, absent] = media.schema.anyOf ?? []
    if (shape === undefined || absent?.type !== 'null') continue
    media.schema = shape
    delete requestBody.required
  }
}

const REFERENCE = '#/components/schemas/'

/** Returns the names of the schemas that the paths refer to, directly or through others. */
function usedSchemas({ paths, components: { schemas, responses } }: Document): ReadonlySet<string> {
  const used = new Set<string>()
  const visit = (value: unknown): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name) || schemas[name] === undefined) continue
      used.add(name)
      visit(schemas[name])
    }
  }
  visit([paths, responses])
  return used
}

function withoutInput(schema: unknown): string {
  return JSON.stringify(schema).replaceAll(/(#\/components\/schemas\/\w+?)Input"/g, '$1"')
}

function rewriteReferences(value: unknown, names: ReadonlyMap<string, string>): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    if (key === '$ref' && typeof child === 'string' && child.startsWith(REFERENCE)) {
      const name = names.get(child.slice(REFERENCE.length))
      if (name !== undefined) (value as Json)[key] = `${REFERENCE}${name}`
    } else rewriteReferences(child, names)
  }
}

/** Takes the examples out of the schemas, by the name of their shape. */
function takeExamples(schemas: Record<string, Json>): Map<string, readonly unknown[]> {
  const taken = new Map<string, readonly unknown[]>()
  for (const [name, schema] of Object.entries(schemas)) {
    const { 'x-examples': examples } = schema
    if (Array.isArray(examples)) taken.set(name, examples)
    delete schema['x-examples']
  }
  return taken
}

/**
 * Adds examples to the body and the successful answers of an operation: its own, or else the examples of the
 * shapes. Operations share the examples of shapes, which `shown` collects.
 */
function showExamples(
  operation: Operation,
  examples: ReadonlyMap<string, readonly unknown[]>,
  shown: Record<string, { value: unknown }>,
): void {
  const { body, answer } = operation['x-examples'] ?? {}
  const show = (content: Record<string, Media> = {}, own?: unknown) => {
    for (const [type, media] of Object.entries(content)) {
      const shape = media.schema.$ref?.slice(REFERENCE.length) ?? ''
      if (own !== undefined && type !== 'text/plain') {
        media.examples = { [shape]: { value: own } }
        continue
      }
      for (const [index, value] of (examples.get(shape) ?? []).entries()) {
        const name = index === 0 ? shape : `${shape}${index + 1}`
        shown[name] = { value }
        media.examples = { ...media.examples, [name]: { $ref: `#/components/examples/${name}` } }
      }
    }
  }
  show(operation.requestBody?.content, body)
  for (const [status, response] of Object.entries(operation.responses))
    if (status.startsWith('2') && 'description' in response) show(response.content, answer)
}

/** Adds the error statuses of an operation. `responses` gets one response for each combination of codes. */
function addProblems(operation: Operation, method: string, responses: Record<string, Response>): void {
  const isChange = method !== 'get'
  const codes = new Set<ErrorCode>([
    ...CODES_OF_ALL,
    ...(operation.requestBody === undefined ? [] : CODES_OF_BODIES),
    ...(isChange ? CODES_OF_CHANGES : []),
    ...(operation['x-errors'] ?? []),
  ])
  for (const [status, codesOfStatus] of Map.groupBy([...codes].toSorted(), apiStatus)) {
    const name = codesOfStatus
      .map((code) => code.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase()))
      .join('Or')
    responses[name] ??= problemOf(codesOfStatus)
    operation.responses[status] = { $ref: `#/components/responses/${name}` }
  }
  responses['Internal'] ??= problemOf(['internal'])
  operation.responses['500'] = { $ref: '#/components/responses/Internal' }
}

/** The errors of every Habitat operation. */
const FAULTS: Readonly<Record<number, string>> = {
  401: 'no token or an invalid one',
  429: 'too many wrong tokens came from this address; see Retry-After',
  500: 'the depot failed; its log has the cause',
  503: 'too many requests wait, or the depot is stopping; see Retry-After',
}

/**
 * Adds the statuses that every Habitat operation may answer, and the bodies of all its errors. Errors with
 * the same status and description share one response in `responses`.
 */
function addFaults(operation: Operation, responses: Record<string, Response>): void {
  for (const [status, description] of Object.entries(FAULTS)) operation.responses[status] ??= { description }
  for (const [status, response] of Object.entries(operation.responses)) {
    if (!('description' in response) || !/^[45]/.test(status)) continue
    const { description } = response
    const words = description.split(/\W+/).map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    const name = `Habitat${status}${words.join('')}`
    responses[name] = {
      description,
      content: {
        'application/json': { schema: referTo(Fault) },
        'text/plain': { schema: referTo(Text) },
        'application/problem+json': { schema: referTo(Problem) },
      },
    }
    operation.responses[status] = { $ref: `#/components/responses/${name}` }
  }
}

function referTo(shape: z.ZodType): { $ref: string } {
  return { $ref: `${REFERENCE}${shape.meta()?.id}` }
}

function problemOf(codes: readonly (keyof typeof PROBLEMS)[]): Response {
  const lines = codes.map((code) => `\`${code}\`: ${PROBLEMS[code].meaning} ${PROBLEMS[code].advice}`)
  return {
    description: lines.length === 1 ? (lines[0] ?? '') : lines.map((line) => `- ${line}`).join('\n'),
    content: {
      'application/problem+json': { schema: referTo(Problem) },
      'text/plain': { schema: referTo(Text) },
    },
  }
}

function sorted<Value>(values: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
