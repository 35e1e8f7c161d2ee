import tap, { test } from 'tap'
import { formatPublicKey, formatSecretKey } from '../../../src/hart/origin-key.ts'
import { makeKeys } from '../../support/build-hart.ts'
import { callApi } from '../../support/call-api.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../../support/start-depot.ts'
import { OPENAPI } from '../../support/openapi.ts'

// Every read of `/api/v1`, as text and as JSON.

const { paths } = OPENAPI as {
  paths: Record<string, Record<string, object>>
}
const reads = Object.entries(paths)
  .filter(([path, operations]) => path.startsWith('/api/') && operations['get'] !== undefined)
  .filter(([path]) => !path.endsWith('/download')) // the bytes of a package
  .filter(([path]) => path !== '/api/v1/upstream/mirror') // not found without a mirror; see mirror.slow.ts
  .map(([path]) => path)

const started = await startDepot(tap, { environment: { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' } })
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000')
await move(started, 'promote', 'union', releases)
const make = async (url: string, body: object) => (await callApi(started, 'POST', url, { body })).body ?? {}
const { plan } = await make('/api/v1/views/delivered/plans', { from: { view: 'union' } })
await make('/api/v1/webhooks', { name: 'deploys', url: 'http://127.0.0.1:9/' })
const { text: keyFile } = await callApi(started, 'GET', '/api/v1/depot/keys/current')
const { id } = await make('/api/v1/changes', { project: 'acme/app', change: 'c1', commit: 'c1' })
await make(`/api/v1/changes/${String(id)}/releases`, { release: 'acme/app/1.0.0/20260101000000' })
await started.depot.writer.submit({
  kind: 'trustKey',
  input: { name: 'first', publicKey: keyFile },
  actor: { client: 'tests', door: 'cli' },
})

const { publicKey, secretKey } = makeKeys('acme')
for (const [kind, body] of [
  ['keys', formatPublicKey(publicKey)],
  ['secret-keys', formatSecretKey(secretKey)],
] as const)
  await callApi(started, 'PUT', `/api/v1/origins/acme/${kind}/20260101000000`, {
    body,
    headers: { 'content-type': 'text/plain' },
  })

await callApi(started, 'PUT', '/api/v1/origins/acme/secret-keys/20260101000000', {
  body: formatSecretKey(makeKeys('acme').secretKey),
  headers: { 'content-type': 'text/plain' },
})

await callApi(started, 'PUT', '/api/v1/exchange-rules/job', {
  body: { provider: 'gitlab', claims: { project_id: ['1'] }, account: 'admin', actions: ['read'] },
})

const VALUES: Readonly<Record<string, string>> = {
  view: 'union',
  account: 'admin',
  origin: 'acme',
  name: 'app',
  version: '1.0.0',
  release: '20260101000000',
  revision: '1',
  plan: String(plan),
  webhook: 'deploys',
  rule: 'job',
  key: 'current',
  token: '1',
  id: String(id),
}
/** Parameters whose names have another meaning in one path. */
const OTHERS: Readonly<Record<string, Record<string, string>>> = {
  '/api/v1/depot/trusted-keys/{name}': { name: 'first' },
  '/api/v1/origins/{origin}/keys/{revision}': { revision: 'latest' },
}
/** Parameters that reads need, by the end of their paths. */
const QUERIES: Readonly<Record<string, string>> = { diff: '?at=0', search: '?q=app' }
/** Routes that return files, which have no text form. */
const FILES = [
  '/api/v1/depot/keys/{key}',
  '/api/v1/depot/trusted-keys/{name}',
  '/api/v1/views/{view}/lockfile',
]

function urlOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = OTHERS[path]?.[name] ?? VALUES[name]
    if (value === undefined) throw new Error(`say in this test what {${name}} of ${path} is`)
    return value
  })
}

test('every read is available as text and as one line of JSON', async (t) => {
  t.ok(reads.length >= 28, 'the reads are found')
  for (const path of reads) {
    const url = `${urlOf(path)}${QUERIES[path.split('/').at(-1) ?? ''] ?? ''}`
    const isFile = FILES.includes(path)
    const ways = [
      [url, { accept: 'text/plain' }],
      [`${url}${url.includes('?') ? '&' : '?'}format=text`, {}],
    ] as const
    for (const [asked, headers] of isFile ? ways.slice(0, 1) : ways) {
      const answer = await callApi(started, 'GET', asked, { headers })
      t.match(
        answer,
        { status: 200, headers: { 'content-type': /^text\/plain/ }, differences: '', text: /[^\n]\n$/ },
        `${asked} ${JSON.stringify(headers)}`,
      )
    }
    if (isFile) continue
    const answer = await callApi(started, 'GET', url)
    t.match(
      answer,
      { status: 200, headers: { 'content-type': /^application\/json/ }, differences: '', text: /\}\n$/ },
      url,
    )
  }
})

test('a changed rule is shown with its effect, as text', async (t) => {
  for (const [rule, revision] of [
    ['highest', 2],
    ['promoted', 3],
  ]) {
    const input = { body: { rule }, headers: { accept: 'text/plain' } }
    t.match(await callApi(started, 'PUT', '/api/v1/views/union', input), {
      status: 200,
      text: `\nunion is at revision ${revision}, under the rule ${rule}\n`,
    })
  }
})

test('every read answers an error as text: its status, its code and a sentence', async (t) => {
  for (const path of reads) {
    const url = `${path.replaceAll(/\{\w+\}/g, 'nosuch')}?nosuch=1`
    for (const [asked, headers] of [
      [url, { accept: 'text/plain' }],
      [`${url}&format=text`, {}],
    ] as const)
      t.match(
        await callApi(started, 'GET', asked, { headers }),
        {
          status: /^40[04]$/,
          headers: { 'content-type': /^text\/plain/ },
          text: /^40[04] \w+: .+\n( {2}.+\n)*request \S+\n$/,
          differences: '',
        },
        asked,
      )
  }
})

test('an error as text has a line for each cause', async (t) => {
  const { text } = await callApi(started, 'GET', '/api/v1/views?limit=0&nosuch=1&format=text')
  t.match(
    text,
    /^400 invalid_request: .+\n {2}\/limit: must be at least 1\n {2}\/nosuch: unknown field\nrequest /,
  )
})

test('an error is one line of JSON', async (t) => {
  for (const url of ['/api/v1/views/nosuch', '/api/v1/nosuch', '/api/v1/views?limit=0']) {
    t.match(
      await callApi(started, 'GET', url),
      { headers: { 'content-type': /^application\/problem\+json/ }, text: /\}\n$/ },
      url,
    )
  }
})

/** Returns the status and the sentence of an error. */
const detailOf = async (method: 'GET' | 'POST', url: string, body?: string) => {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const response = await started.app.inject({
    method,
    url,
    headers,
    ...(body !== undefined && { payload: body }),
  })
  return [response.statusCode, (JSON.parse(response.body) as { detail: string }).detail]
}

test('errors of libraries are in our own words', async (t) => {
  const promotions = '/api/v1/views/delivered/promotions'
  for (const [body, detail] of [
    ['nope', 'the body is not JSON, or has a field named __proto__ or constructor'],
    ['{"releases": [', /^the body is not JSON/],
    ['{"__proto__": {"a": 1}}', /named __proto__/],
    ['[]', /must be an object$/],
    ['{"from": {"view": 5}}', '/from/view: must be a text'],
    ['{"from": {}}', '/from/view: is missing'],
    ['{"from": {"view": "union"}, "with_deps": "yes"}', '/with_deps: must be true or false'],
    [
      '{"from": {"view": "union"}, "expect_revision": 1.5}',
      '/expect_revision: has none of the allowed forms',
    ],
    ['{"releases": []}', '/releases: must have at least 1 item'],
    [
      '{"releases": [{"ident": "acme/app/1.0.0/20260101000000", "target": "x86_64-linx"}]}',
      /^\/releases\/0\/target: must be x86_64-linux, .* or aarch64-windows; did you mean x86_64-linux\?$/,
    ],
    ['{"form": {}}', '/form: unknown field'],
  ] as const) {
    t.match(await detailOf('POST', promotions, body), [400, detail], body)
  }
  t.match(await detailOf('GET', '/api/v1/views?limit=0'), [400, '/limit: must be at least 1'])
  t.match(await detailOf('GET', '/api/v1/views?limit=1.5'), [400, '/limit: must be a whole number'])
  t.match(await detailOf('GET', '/api/v1/views?limit=many'), [400, '/limit: must be a number'])
  t.match(await detailOf('GET', '/api/v1/views/%zz'), [
    400,
    'the URL cannot be decoded: write a literal % as %25',
  ])
  t.match(await detailOf('GET', `/api/v1/views/${'v'.repeat(3_000)}`), [
    414,
    'a part of the path has more than 2048 characters',
  ])
})
