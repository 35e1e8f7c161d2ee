import { Ajv2020 } from 'ajv/dist/2020.js'
import { ADMIN_TOKEN } from './start-depot.ts'
import type { TestDepot } from './start-depot.ts'
import { OPENAPI } from './openapi.ts'

// Requests to `/api/v1` that compare each answer with openapi.yaml.

export interface ApiAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  /** The parsed JSON; `undefined` for other types. */
  readonly body: Record<string, unknown> | undefined
  /** How the answer differs from openapi.yaml; empty if it does not. */
  readonly differences: string
}

interface Response {
  readonly description: string
  readonly content?: Record<string, { readonly schema: object }>
}

interface Operation {
  readonly responses: Record<string, Response | { readonly $ref: string }>
}

const document = OPENAPI as {
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, Response> }
}
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).addSchema(
  document,
  'openapi',
)
const templates = Object.keys(document.paths)
  .map((template) => ({ template, pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))
  .toSorted((a, b) => a.template.split('{').length - b.template.split('{').length)

/** Sends a request. `token` defaults to the administrator's; `null` is anonymous. */
export async function callApi(
  { app }: TestDepot,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  options: { token?: string | null; body?: unknown; headers?: Record<string, string> } = {},
): Promise<ApiAnswer> {
  const { token = ADMIN_TOKEN, body, headers = {} } = options
  const credentials = token === null ? {} : { authorization: `Bearer ${token}` }
  const response = await app.inject({
    method,
    url,
    headers: { ...credentials, ...headers },
    ...(body !== undefined && { payload: body as object }),
  })
  const [type = ''] = (response.headers['content-type'] ?? '').split(';', 1)
  const isJson = type.endsWith('json')
  const answer = {
    status: response.statusCode,
    headers: response.headers,
    text: response.body,
    body: isJson ? (JSON.parse(response.body) as Record<string, unknown>) : undefined,
  }
  return {
    ...answer,
    differences: differences(method.toLowerCase(), url.split('?', 1)[0] ?? '', type, answer),
  }
}

function differences(
  method: string,
  path: string,
  type: string,
  answer: { status: number; body: unknown },
): string {
  if (answer.status === 304) return ''
  const template = templates.find(({ pattern }) => pattern.test(path))?.template
  const operation = template === undefined ? undefined : document.paths[template]?.[method]
  if (template === undefined || operation === undefined)
    return answer.status === 404 ? '' : `${method} ${path} is not described`
  const { status } = answer
  const response = operation.responses[status]
  if (response === undefined) return `${status} is not described for ${method} ${template}`
  const place =
    '$ref' in response
      ? response.$ref.split('/').slice(1)
      : ['paths', template, method, 'responses', String(status)]
  const described = '$ref' in response ? document.components.responses[place.at(-1) ?? ''] : response
  if (described?.content === undefined)
    return answer.body === undefined ? '' : 'the answer has a body, and none is described'
  // Builder's clients get errors without a body, whatever forms are described for others.
  if (type === '' && status >= 400 && path.startsWith('/v1/')) return ''
  if (described.content[type] === undefined) return `${type} is not described for ${method} ${template}`
  if (answer.body === undefined) return ''
  const { code } = answer.body as { code?: string }
  if (type === 'application/problem+json' && !described.description.includes(`\`${code}\``))
    return `${code} is not among the errors of ${method} ${template}`
  const at = [...place, 'content', type, 'schema'].map((part) =>
    part.replaceAll('~', '~0').replaceAll('/', '~1'),
  )
  const validate = ajv.getSchema(`openapi#/${at.map(encodeURIComponent).join('/')}`)
  if (validate === undefined) return `no schema at ${at.join('/')}`
  return validate(answer.body) ? '' : ajv.errorsText(validate.errors)
}
