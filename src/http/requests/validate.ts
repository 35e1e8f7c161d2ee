import type { FastifySchemaCompiler } from 'fastify'
import { z } from 'zod'
import { didYouMean } from '../../text/nearest.ts'
import { shapeFault } from '../../text/shape-fault.ts'

/**
 * Validates requests against the schemas of routes, for fastify. Faults have the depot's own messages instead
 * of zod's. `params.keys` of a fault lists unknown fields, and its message has a hint for each, on lines.
 */
export const validate: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = schema.safeParse(data, { error: describe })
    if (parsed.success) return { value: parsed.data }
    const error = parsed.error.issues.flatMap(faultsOf).map((issue) => {
      const place = `/${issue.path.join('/')}`
      return {
        keyword: issue.code,
        instancePath: place,
        schemaPath: `#${place}/${issue.code}`,
        message: issue.message,
        params: issue.code === 'unrecognized_keys' ? { keys: issue.keys } : {},
      }
    })
    return { error }
  }

/** The maximum length of a parameter in a path, such as the name of a view, in characters. */
export const MAX_PARAMETER_LENGTH = 2_048

/**
 * Keeps fastify from loading its own compilers of schemas, which are a tenth of all modules. Every instance
 * must have this option: the bundle leaves the compilers out.
 */
export const WITHOUT_COMPILERS = {
  compilersFactory: { buildValidator: notBuilt, buildSerializer: notBuilt },
}

function notBuilt(): never {
  throw new Error('the compilers of schemas are set when the server is built')
}

function describe(issue: z.core.$ZodRawIssue): string {
  if (issue.code !== 'unrecognized_keys') return shapeFault(issue)
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
  return issue.keys.map((key) => `unknown field${didYouMean(key, known)}`).join('\n')
}

/**
 * Replaces the fault of a value that fits none of its allowed forms. If only one form allows the type of the
 * value, returns the faults within that form, which help more than a list of forms.
 */
function faultsOf(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const ofItsType = issue.errors.filter(
    ([first]) => first !== undefined && !(first.code === 'invalid_type' && first.path.length === 0),
  )
  const [only] = ofItsType
  if (only === undefined || ofItsType.length > 1) return [issue]
  return only.map((fault) => ({ ...fault, path: [...issue.path, ...fault.path] })).flatMap(faultsOf)
}
