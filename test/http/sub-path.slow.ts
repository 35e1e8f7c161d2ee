import { test } from 'tap'
import { ask } from '../support/ask.ts'
import { bearer } from '../support/origin.ts'
import { startProxy } from '../support/http/proxy.ts'
import { startDepot } from '../support/start-depot.ts'
import { followLinks, pullAndImport } from '../support/copies/sub-path.ts'

const PATH = '/builder/depot'

/** Returns the part before `/api/v1/…` in the URL of the next page. */
async function prefixOfNext(url: string, prefix: string): Promise<string> {
  const { text } = await ask(`${url}/api/v1/views?limit=1`, { headers: { 'x-forwarded-prefix': prefix } })
  return (JSON.parse(text) as { next: string }).next.replace(/\/api\/v1\/views\?.*$/, '')
}

test('a depot below a path works for every client with DEPOT_PUBLIC_URL', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    environment: { DEPOT_PUBLIC_URL: `https://host.example${PATH}/` },
  })
  const proxy = await startProxy(t, started.url, undefined, { path: PATH, isTakenAway: true })
  await followLinks(t, started, `${proxy.url}${PATH}`)
  await pullAndImport(t, started, `${proxy.url}${PATH}`)
  // A proxy may leave the removal of the path to the depot.
  const other = await startProxy(t, started.url, undefined, { path: PATH, isTakenAway: false })
  const lockfile = '/api/v1/views/delivered/lockfile'
  for (const url of [`${proxy.url}${PATH}`, `${other.url}${PATH}`, started.url])
    t.match((await ask(url + lockfile, { headers: bearer() })).text, `\ndepot https://host.example${PATH}\n`)
  t.equal((await ask(`${other.url}${PATH}/v1/depot/pkgs/acme/app/latest`)).status, 200)
})

test('a depot below a path works for every client with X-Forwarded-Prefix', async (t) => {
  const started = await startDepot(t, { listen: true, environment: { DEPOT_TRUST_PROXY: '127.0.0.1' } })
  const proxy = await startProxy(t, started.url, undefined, {
    path: PATH,
    isTakenAway: true,
    headers: { 'x-forwarded-prefix': `${PATH}/` },
  })
  await followLinks(t, started, `${proxy.url}${PATH}`)
})

test('a forwarded path is trusted only from a trusted proxy and if it is well-formed', async (t) => {
  const trusting = await startDepot(t, {
    listen: true,
    environment: { DEPOT_TRUST_PROXY: 'loopback', DEPOT_PUBLIC_URL: 'https://host.example/own' },
  })
  t.equal(await prefixOfNext(trusting.url, '/a/b'), '/a/b')
  t.equal(await prefixOfNext(trusting.url, '/'), '')
  t.equal(await prefixOfNext(trusting.url, ''), '')
  for (const other of [
    '//evil.example',
    'https://evil.example',
    'evil',
    '/a//b',
    '/a?b',
    '/a"b',
    '/<a>',
    `/${'a'.repeat(200)}`,
  ])
    t.equal(await prefixOfNext(trusting.url, other), '/own', other)
  const others = await startDepot(t, {
    listen: true,
    environment: { DEPOT_TRUST_PROXY: '192.0.2.1', DEPOT_PUBLIC_URL: 'https://host.example/own' },
  })
  t.equal(await prefixOfNext(others.url, '/a/b'), '/own')
  t.equal(await prefixOfNext((await startDepot(t, { listen: true })).url, '/a/b'), '')
})

test('without settings, links start at the root of the host', async (t) => {
  const started = await startDepot(t, { listen: true })
  t.match(JSON.parse((await ask(`${started.url}/api/v1/views?limit=1`)).text), {
    next: /^\/api\/v1\/views\?/,
  })
})
