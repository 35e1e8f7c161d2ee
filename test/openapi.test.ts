import { readFile } from 'node:fs/promises'
import { Validator } from '@seriousme/openapi-schema-validator'
import { test } from 'tap'
import { parse } from 'yaml'
import { describeDepot } from '../src/cli/openapi.ts'

const FILE = new URL('../openapi.yaml', import.meta.url)

interface Document {
  readonly paths: Record<string, Record<string, { summary?: string; responses: Record<string, unknown> }>>
}

test('openapi.yaml matches the routes', async (t) => {
  const [kept, made] = [await readFile(FILE, 'utf8'), await describeDepot()]
  t.ok(kept === made, 'run `npm run openapi` and commit openapi.yaml: the routes have changed')
})

test('openapi.yaml is a valid OpenAPI 3.1 document', async (t) => {
  const document = parse(await readFile(FILE, 'utf8')) as Record<string, unknown>
  t.match(document, { openapi: /^3\.1\./ })
  const { valid, errors } = await new Validator().validate(document)
  t.ok(valid, JSON.stringify(errors))
})

test('every operation has a summary and described responses', async (t) => {
  const { paths } = parse(await readFile(FILE, 'utf8')) as Document
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { summary, responses }] of Object.entries(operations)) {
      t.match(summary, /^\S.{2,}/, `${method} ${path}`)
      t.notMatch(JSON.stringify(responses), /Default Response/, `${method} ${path}`)
    }
  }
})

test('routes of both APIs and of the operator are described', async (t) => {
  const { paths } = parse(await readFile(FILE, 'utf8')) as Document
  for (const path of [
    '/v1/depot/views/{view}/pkgs/{origin}/{name}/latest',
    '/api/v1/views/{view}/promotions',
    '/readyz',
  ])
    t.ok(paths[path], path)
})
