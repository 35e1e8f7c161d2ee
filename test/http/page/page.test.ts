import { test } from 'tap'
import { fileTest } from '../../support/runner/run-files.ts'
import { startDepot } from '../../support/start-depot.ts'

const { app } = await startDepot(fileTest())
const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

test('curl gets a short map as text, and a browser a page', async (t) => {
  const map = await app.inject({ url: '/', headers: { accept: '*/*', host: 'depot.example' } })
  t.equal(map.statusCode, 200)
  t.match(map.headers['content-type'], 'text/plain')
  t.match(map.body, 'http://depot.example/v1/depot/views/VIEW')
  const page = await app.inject({ url: '/', headers: { accept: HTML } })
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], 'text/html')
  t.match(page.headers, { vary: 'accept, accept-encoding, cookie', 'cache-control': 'no-store' })
})

test('the policy of a page allows its own files alone, and nothing inline', async (t) => {
  const { headers, body } = await app.inject({ url: '/', headers: { accept: HTML } })
  const policy = String(headers['content-security-policy'])
  t.notMatch(policy, /unsafe|\*|https?:/)
  for (const directive of [
    "default-src 'none'",
    "script-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
  ])
    t.ok(policy.includes(directive), directive)
  t.notMatch(body, /<script>|<style|\son\w+=|\sstyle=/)
})

test('style and script have the hash of their content in their names, and come compressed', async (t) => {
  const { body } = await app.inject({ url: '/', headers: { accept: HTML } })
  const paths = [...body.matchAll(/(?:href|src)="(\/assets\/[\w.-]+)"/g)].map(([, path = '']) => path)
  t.equal(paths.length, 2)
  for (const url of paths) {
    const plain = await app.inject({ url, headers: { accept: '*/*' } })
    t.equal(plain.statusCode, 200)
    t.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable')
    for (const encoding of ['br', 'gzip']) {
      const packed = await app.inject({ url, headers: { 'accept-encoding': encoding } })
      t.equal(packed.headers['content-encoding'], encoding)
      t.ok(packed.rawPayload.length < plain.rawPayload.length / 2)
    }
  }
  t.equal((await app.inject({ url: '/assets/page.css' })).statusCode, 404)
})

test('a name of any length that views may have has a page', async (t) => {
  const answer = await app.inject({ url: `/views/${'a'.repeat(255)}`, headers: { accept: HTML } })
  t.match(answer, { statusCode: 404, headers: { 'content-type': /^text\/html/ } })
})

test('errors are pages, and HEAD has no body', async (t) => {
  const absent = await app.inject({ url: '/views/a/b/c/d', headers: { accept: HTML } })
  t.equal(absent.statusCode, 404)
  t.match(absent.body, /<h1>/)
  const head = await app.inject({ method: 'HEAD', url: '/', headers: { accept: HTML } })
  t.equal(head.statusCode, 200)
  t.equal(head.body, '')
  t.ok(Number(head.headers['content-length']) > 1_000)
})

test('other clients get no page: the routes of Habitat and the API answer as before', async (t) => {
  for (const url of ['/v1/depot/pkgs/acme/app/latest', '/v1/absent', '/absent', '/api/v1/absent'])
    t.notMatch((await app.inject({ url })).body, /<html/)
  t.equal((await app.inject({ url: '/absent' })).body, '')
  t.match((await app.inject({ url: '/views/prod', headers: { accept: '*/*' } })).headers, {
    'content-type': 'text/plain; charset=utf-8',
  })
})

test('below a path of its host, every link begins with that path', async (t) => {
  const below = await startDepot(t, { environment: { DEPOT_PUBLIC_URL: 'https://host.example/depot' } })
  const { body } = await below.app.inject({ url: '/depot/', headers: { accept: HTML } })
  const links = [...body.matchAll(/(?:href|src|action|data-live)="(\/[^"]*)"/g)].map(([, path = '']) => path)
  t.ok(links.length > 5)
  t.strictSame(
    links.filter((path) => !path.startsWith('/depot/')),
    [],
  )
  t.match(body, 'https://host.example/depot --with-token')
})

test('a depot that is closed to anonymous callers shows them the form for signing in alone', async (t) => {
  const closed = await startDepot(t, { environment: { DEPOT_ANONYMOUS: 'none' } })
  const answer = await closed.app.inject({ url: '/', headers: { accept: HTML } })
  t.equal(answer.statusCode, 303)
  t.equal(answer.headers.location, '/sign-in')
  const live = await closed.app.inject({ url: '/live', headers: { accept: 'text/event-stream' } })
  t.equal(live.statusCode, 303)
  t.equal((await closed.app.inject({ url: '/sign-in', headers: { accept: HTML } })).statusCode, 200)
})

test('a request of the page is logged and counted once', async (t) => {
  const counted = await startDepot(t)
  await counted.app.inject({ url: '/', headers: { accept: HTML } })
  const lines = counted.logged.filter(({ msg, path }) => msg === 'request' && path === '/')
  t.equal(lines.length, 1)
  t.match(lines[0], { method: 'GET', status: 200 })
  const metrics = (await counted.app.inject({ url: '/metrics' })).body
  t.match(metrics, 'hart_depot_request_duration_seconds_count{door="page",method="GET",status="2xx"} 1')
})
