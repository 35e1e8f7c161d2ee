import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'tap'
import { OPENAPI } from './support/openapi.ts'
import { describeDepot } from '../src/cli/local/openapi.ts'
import { PROBLEMS } from '../src/errors.ts'
import { withCodes } from '../src/http/operator/errors-page.ts'

const FILE = new URL('../openapi.yaml', import.meta.url)
const ERRORS_PAGE = new URL('../docs/errors.md', import.meta.url)

interface Media {
  readonly schema: { readonly $ref?: string }
  readonly examples?: Record<string, { readonly value?: unknown; readonly $ref?: string }>
}

interface Operation {
  readonly tags: readonly string[]
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
  readonly requestBody?: { readonly content: Record<string, Media> }
  readonly responses: Record<
    string,
    { readonly description?: string; readonly content?: Record<string, Media> }
  >
}

interface Document {
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: {
    readonly examples: Record<string, { readonly value: unknown }>
    readonly schemas: Record<string, { readonly enum?: readonly string[]; readonly description?: string }>
  }
}

function readDocument(): Document {
  return OPENAPI as Document
}

/** Every operation by its method and path. */
function operationsOf({ paths }: Document): [string, Operation][] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
}

/** The bodies of the request and of successful answers. */
function* bodiesOf({ requestBody, responses }: Operation): Generator<[string, Media]> {
  yield* Object.entries(requestBody?.content ?? {})
  for (const [status, { content = {} }] of Object.entries(responses))
    if (status.startsWith('2')) yield* Object.entries(content)
}

test('openapi.yaml matches the routes', async (t) => {
  const [kept, made] = [await readFile(FILE, 'utf8'), await describeDepot()]
  t.ok(kept === made, 'run `npm run openapi` and commit openapi.yaml: the routes have changed')
})

test('openapi.yaml is a valid OpenAPI 3.1 document', async (t) => {
  const document = OPENAPI as Record<string, unknown>
  t.match(document, { openapi: /^3\.1\./ })
  const { valid, errors } = await new Validator().validate(structuredClone(document)) // it resolves references in place
  t.ok(valid, JSON.stringify(errors))
})

test('every operation has a name for clients, a summary, a description and described responses', async (t) => {
  const names = new Map<string | undefined, string>()
  for (const [name, { operationId, summary, description, responses }] of operationsOf(readDocument())) {
    t.match(operationId, /^[a-z][a-zA-Z]+$/, `${name}: operationId in the schema of the route`)
    t.equal(names.get(operationId), undefined, `${name}: the operationId ${operationId} is its own`)
    names.set(operationId, name)
    t.match(summary, /^\S[^\n]{2,}$/, `${name}: summary`)
    t.match(description, /^\S.{4,}/s, `${name}: description`)
    t.notMatch(JSON.stringify(responses), /Default Response/, name)
  }
})

test('every operation is in a group that the introduction explains, and every group has operations', async (t) => {
  const document = readDocument()
  const used = operationsOf(document).flatMap(([, { tags }]) => tags)
  t.strictSame(
    [...new Set(used)].toSorted(),
    document.tags.map(({ name }) => name).toSorted(),
    'TAGS in introduction.ts',
  )
})

test('every body and every successful answer is a named shape', async (t) => {
  for (const [name, operation] of operationsOf(readDocument()))
    for (const [type, { schema }] of bodiesOf(operation))
      t.match(
        schema.$ref,
        /^#\/components\/schemas\/[A-Z]\w+$/,
        `${name}, ${type}: wrap the shape in named(), and end its name not in Input`,
      )
})

test('every body and every successful answer has an example, which its shape accepts', async (t) => {
  const document = readDocument()
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
  ajv.addSchema(document, 'openapi')
  for (const [name, operation] of operationsOf(document)) {
    for (const [type, { schema, examples = {} }] of bodiesOf(operation)) {
      if (schema.$ref === '#/components/schemas/Text') continue
      t.ok(Object.keys(examples).length > 0, `${name}, ${type}: give named() an example`)
      for (const example of Object.values(examples)) {
        const value =
          example.$ref === undefined
            ? example.value
            : document.components.examples[example.$ref.replace('#/components/examples/', '')]?.value
        t.ok(
          ajv.validate({ $ref: `openapi${schema.$ref}` }, value),
          `${name}, ${type}: ${ajv.errorsText()} in ${JSON.stringify(value)}`,
        )
      }
    }
  }
})

test('the client is generated from this description', async (t) => {
  const operations = await readFile(new URL('../src/client/operations.ts', import.meta.url), 'utf8')
  const [, digest] = /SHA-256 ([0-9a-f]{64})/.exec(operations) ?? []
  t.equal(
    digest,
    createHash('sha256')
      .update(await readFile(FILE))
      .digest('hex'),
    'run npm run openapi',
  )
})

test('docs/errors.md and openapi.yaml have every problem code, what it means and what to do', async (t) => {
  const page = await readFile(ERRORS_PAGE, 'utf8')
  t.ok(page === withCodes(page), 'run `npm run openapi` and commit docs/errors.md: the codes have changed')
  const { ProblemCode } = readDocument().components.schemas
  t.strictSame(ProblemCode?.enum, Object.keys(PROBLEMS))
  for (const [code, { meaning, advice }] of Object.entries(PROBLEMS)) {
    t.ok(page.includes(`| \`${code}\` |`), `docs/errors.md has ${code}`)
    t.ok(ProblemCode?.description?.includes(`\`${code}\``), `openapi.yaml says what ${code} means`)
    t.match(meaning, /^[A-Z].*\.$/, `${code}: a sentence`)
    t.match(advice, /^[A-Z].*\.$/, `${code}: advice`)
  }
})

test('routes of both APIs and of the operator are described', async (t) => {
  const { paths } = OPENAPI as Document
  for (const path of [
    '/v1/depot/views/{view}/pkgs/{origin}/{name}/latest',
    '/api/v1/views/{view}/promotions',
    '/readyz',
  ])
    t.ok(paths[path], path)
})
