import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import tap, { test } from 'tap'
import { callApi } from '../../support/call-api.ts'
import { startDepot } from '../../support/start-depot.ts'

const started = await startDepot(tap)
const { app } = started

/** The directives of a Content-Security-Policy. */
function directivesOf(policy: unknown): Record<string, string> {
  return Object.fromEntries(
    String(policy)
      .split('; ')
      .map((directive) => directive.split(/ (.*)/, 2)),
  ) as Record<string, string>
}

test('the reference is a page under a policy that allows only files of the depot', async (t) => {
  const answer = await callApi(started, 'GET', '/docs/api', { token: null })
  t.match(answer, {
    status: 200,
    differences: '',
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    },
  })
  const directives = directivesOf(answer.headers['content-security-policy'])
  t.strictSame(directives, {
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self' data:",
    'connect-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  })
  t.notMatch(answer.text, /<script(?![^>]* src=)|<style|\son\w+=|\sstyle=/, 'nothing is inline')
  t.notMatch(answer.text, /(src|href)="(https?:)?\/\//, 'nothing comes from elsewhere')
})

test('the files of the page are what its integrity says, and may be kept for a year', async (t) => {
  const { text } = await callApi(started, 'GET', '/docs/api')
  const files = [...text.matchAll(/(?:src|href)="(\/docs\/api\/[^"]+)" integrity="sha256-([^"]+)"/g)]
  t.equal(files.length, 3)
  for (const [, url = '', digest] of files) {
    const { statusCode, headers, rawPayload } = await app.inject(url)
    t.match(
      { statusCode, headers },
      { statusCode: 200, headers: { 'cache-control': 'public, max-age=31536000, immutable' } },
      url,
    )
    t.match(headers['content-type'], /^text\/(css|javascript); charset=utf-8$/)
    t.equal(createHash('sha256').update(rawPayload).digest('base64'), digest, url)
    const packed = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } })
    t.equal(packed.headers['content-encoding'], 'gzip')
    t.ok(packed.rawPayload.length < rawPayload.length)
    t.strictSame(gunzipSync(packed.rawPayload), rawPayload)
  }
})

test('a file without the digest of its content is asked for again each time', async (t) => {
  const { headers } = await app.inject('/docs/api/start.js?v=old')
  t.equal(headers['cache-control'], 'no-cache')
})

test('only the files of the page are served', async (t) => {
  for (const file of ['package.json', '..%2fpackage.json', 'index.html', 'swagger-ui.js.map'])
    t.equal((await app.inject(`/docs/api/${file}`)).statusCode, 404, file)
})

test('the page finds its files and the description below the path of the depot', async (t) => {
  const below = await startDepot(t, { environment: { DEPOT_PUBLIC_URL: 'https://example.com/depot' } })
  const { body } = await below.app.inject('/depot/docs/api')
  t.match(body, /data-openapi="\/depot\/openapi.yaml"/)
  t.match(body, /src="\/depot\/docs\/api\/swagger-ui-bundle.js\?v=/)
})

test('a path from a proxy cannot add markup to the page', async (t) => {
  const below = await startDepot(t, { environment: { DEPOT_TRUST_PROXY: '127.0.0.1' } })
  const { body } = await below.app.inject({
    url: '/docs/api',
    headers: { 'x-forwarded-prefix': '/"><script>alert(1)</script>' },
  })
  t.notMatch(body, /<script>/)
})
