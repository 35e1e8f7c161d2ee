import { readFile } from 'node:fs/promises'
import tap, { test } from 'tap'
import { parse } from 'yaml'
import { callApi } from '../../support/call-api.ts'
import { startDepot } from '../../support/start-depot.ts'

const started = await startDepot(tap)
const { paths } = parse(await readFile(new URL('../../../openapi.yaml', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, { operationId: string }>>
}
const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

interface Resource {
  readonly url: string
  readonly operations: readonly { readonly method: string; readonly operation: string }[]
}

test('the map has every operation of the API, and nothing else', async (t) => {
  const answer = await callApi(started, 'GET', '/api/v1', { token: null })
  t.match(answer, {
    status: 200,
    differences: '',
    body: { name: 'hart-depot', version, openapi: '/openapi.yaml', reference: '/docs/api' },
  })
  const { resources } = JSON.parse(answer.text) as { resources: readonly Resource[] }
  const found = resources.flatMap(({ url, operations }) =>
    operations.map(({ method, operation }) => `${method} ${url} ${operation}`),
  )
  const described = Object.entries(paths)
    .filter(([path]) => path.startsWith('/api/v1'))
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, { operationId }]) => `${method.toUpperCase()} ${path} ${operationId}`,
      ),
    )
  t.strictSame(found.toSorted(), described.toSorted())
})

test('the URLs of the map begin with the path of the depot', async (t) => {
  const below = await startDepot(t, { environment: { DEPOT_PUBLIC_URL: 'https://example.com/depot' } })
  const { body } = await callApi(below, 'GET', '/depot/api/v1')
  t.match(body, { openapi: '/depot/openapi.yaml', resources: [{ url: '/depot/api/v1' }] })
})

test('the map is a table as text', async (t) => {
  const { text } = await callApi(started, 'GET', '/api/v1?format=text')
  t.match(text, /^hart-depot \S+\n\nMETHOD +URL +OPERATION +SUMMARY\n/)
  t.match(text, /^POST +\/api\/v1\/views\/\{view\}\/promotions +promote +Promotes releases into a view$/m)
})
