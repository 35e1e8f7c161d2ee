import { createServer } from 'node:http'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { z } from 'zod'
import type { UpstreamConfig } from '../../src/config/upstream-config.ts'
import { openLogTo } from '../../src/log.ts'
import { parseIdent } from '../../src/package/ident.ts'
import { findDetail } from '../../src/remote/habitat-reads.ts'
import { guardedFetch } from '../../src/remote/guarded-fetch.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { path } from '../../src/remote/resource-path.ts'
import { openSource } from '../../src/upstream/source.ts'
import { AUTHORITY, startLyingDepot } from '../support/faults/lying-depot.ts'

const silent = openLogTo('silent', { write: () => true })

function settings(more: Partial<UpstreamConfig> & { url: string }): UpstreamConfig {
  return {
    origins: ['core'],
    channels: ['stable'],
    refreshMs: 0,
    mirror: undefined,
    tokenFile: undefined,
    proxy: undefined,
    caFile: undefined,
    ...more,
  }
}

async function folder(t: { teardown(fn: () => Promise<void>): unknown }): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'hart-depot-source-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

test('the token and the authorities of upstream are read from files', async (t) => {
  const authorizations: (string | undefined)[] = []
  const url = await startLyingDepot(
    t,
    (request, answer) => {
      authorizations.push(request.headers.authorization)
      answer.end('yes')
    },
    'server',
  )
  const tokenFile = join(await folder(t), 'token')
  await writeFile(tokenFile, 'secret-of-upstream\n', { mode: 0o600 })
  const source = await openSource(settings({ url, tokenFile, caFile: AUTHORITY }), 'client', { log: silent })
  t.equal(await source.getText('status'), 'yes')
  t.strictSame(authorizations, ['Bearer secret-of-upstream'])

  await chmod(tokenFile, 0o644)
  await t.rejects(openSource(settings({ url, tokenFile }), 'client', { log: silent }), {
    code: 'invalid_request',
  })
  for (const caFile of [tokenFile, join(tokenFile, 'absent')])
    await t.rejects(openSource(settings({ url, caFile }), 'client', { log: silent }), {
      code: 'invalid_request',
      message: /^DEPOT_UPSTREAM_CA names /,
    })
})

/** A source whose failures are final, so that no test waits. */
function impatient(
  url: string,
  more: { proxy?: string; authorities?: string; idleMs?: number; headersMs?: number } = {},
): RemoteDepot {
  const fetch = guardedFetch({ proxy: undefined, authorities: undefined, idleMs: 30_000, ...more })
  return new RemoteDepot({ url, token: undefined, pause: async () => undefined, pausesMs: [], fetch })
}

test('a certificate must be valid and of a known authority', async (t) => {
  const url = await startLyingDepot(t, (_request, answer) => answer.end(), 'server')
  await t.rejects(impatient(url).getText('status'), {
    failure: 'unreachable',
    message: /got no answer: its certificate is signed by an authority that this machine does not know/,
  })
  const expired = await startLyingDepot(t, (_request, answer) => answer.end(), 'expired')
  const source = await openSource(settings({ url: expired, caFile: AUTHORITY }), 'client', { log: silent })
  t.equal(await source.isReachable(), false)
  await t.rejects(impatient(expired, { authorities: await readFile(AUTHORITY, 'utf8') }).getText('status'), {
    failure: 'unreachable',
    message: /got no answer: its certificate has expired$/,
  })
})

test('a redirect is refused, and its target is not asked', async (t) => {
  let isAsked = false
  const inner = await startLyingDepot(t, (_request, answer) => {
    isAsked = true
    answer.end('secret')
  })
  const url = await startLyingDepot(t, (_request, answer) =>
    answer.writeHead(302, { location: `${inner}/latest/meta-data` }).end(),
  )
  await t.rejects(impatient(url).getText('status'), {
    failure: 'refused',
    message: `GET ${url}/v1/status answered 302: redirects are not followed (to ${inner}/latest/meta-data)`,
  })
  t.equal(isAsked, false)
})

test('a value cannot lead out of its place in a path', (t) => {
  t.equal(
    path`depot/pkgs/${'core/a b/1..2/...'}?target=${'x&y'}`,
    'depot/pkgs/core/a%20b/1..2/...?target=x%26y',
  )
  for (const value of ['..', '.', 'core/../..', './core'])
    t.throws(() => path`depot/origins/${value}/keys`, { code: 'ERR_REMOTE_DEPOT' }, value)
  t.end()
})

test('an answer that stops or does not end is given up', async (t) => {
  const silence = await startLyingDepot(t, () => undefined)
  await t.rejects(impatient(silence, { idleMs: 20 }).getText('status'), {
    failure: 'unreachable',
    message: /no answer came in time$/,
  })
  const stopping = await startLyingDepot(t, (_request, answer) => answer.write('{'))
  await t.rejects(impatient(stopping, { idleMs: 500 }).getText('status'), {
    message: /the connection was cut$/,
  })
  const endless = await startLyingDepot(t, (_request, answer) => {
    const piece = Buffer.alloc(1024 * 1024)
    const write = () => {
      while (!answer.destroyed && answer.write(piece));
    }
    answer.on('drain', write)
    write()
  })
  await t.rejects(impatient(endless).getText('status'), { failure: 'refused', message: /is longer than/ })
})

test('an answer whose headers do not end, or that switches the protocol, is given up', async (t) => {
  const dripping = await startLyingDepot(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nx-long: ')
    const drip = setInterval(() => socket.write('x'), 2)
    socket.once('close', () => clearInterval(drip))
  })
  await t.rejects(impatient(dripping, { headersMs: 50 }).getText('status'), {
    failure: 'unreachable',
    message: /no answer came in time$/,
  })
  const switching = await startLyingDepot(t, ({ socket }) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n'),
  )
  await t.rejects(impatient(switching).getText('status'), {
    code: 'ERR_REMOTE_DEPOT',
    message: /got no answer/,
  })
})

test('requests go through the proxy, also those over TLS', async (t) => {
  const seen: string[] = []
  const proxy = createServer((request, answer) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`)
    answer.end('from the proxy')
  })
  proxy.on('connect', (request, client) => {
    seen.push(`CONNECT ${request.headers['proxy-authorization']}`)
    const [host = '', port = ''] = (request.url ?? '').split(':')
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    for (const side of [server, client]) side.on('error', () => undefined)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const proxyUrl = `http://user:word@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const basic = `Basic ${Buffer.from('user:word').toString('base64')}`

  t.equal(await impatient('http://upstream.invalid', { proxy: proxyUrl }).getText('status'), 'from the proxy')
  const secure = await startLyingDepot(t, (_request, answer) => answer.end('from upstream'), 'server')
  const authorities = await readFile(AUTHORITY, 'utf8')
  t.equal(await impatient(secure, { proxy: proxyUrl, authorities }).getText('status'), 'from upstream')
  t.strictSame(seen, [`GET http://upstream.invalid/v1/status ${basic}`, `CONNECT ${basic}`])
})

/** Lists from a depot each of whose pages has so many items and announces so many in all. */
async function countListed(total: number, items: number): Promise<number> {
  const body = JSON.stringify({ total_count: total, data: Array.from({ length: items }, () => 1) })
  const depot = new RemoteDepot({
    url: 'http://upstream.invalid',
    token: undefined,
    pause: async () => undefined,
    fetch: async () => ({ status: 200, header: () => undefined, body: Readable.from([Buffer.from(body)]) }),
  })
  return (await Array.fromAsync(depot.list('list', z.int()))).length
}

test('a list that does not end is refused', async (t) => {
  t.equal(await countListed(100, 50), 100)
  t.equal(await countListed(100, 1), 100)
  await t.rejects(countListed(4_000_000, 1), { message: /has too few items on each page/ })
  await t.rejects(countListed(1e9, 50), { message: /has 1000000000 items/ })
})

test('a description that no package can have is refused', async (t) => {
  const detail = { checksum: 'a'.repeat(64), target: 'x86_64-linux', visibility: 'public', manifest: '' }
  let answered: object = {}
  const url = await startLyingDepot(t, (_request, answer) =>
    answer.end(JSON.stringify({ ...detail, deps: [], tdeps: [], ...answered })),
  )
  const ident = parseIdent('core/redis/7.0.0/20260101120000')
  const find = (more: object) => {
    answered = more
    return findDetail(impatient(url), 'stable', ident, 'x86_64-linux')
  }
  t.match(await find({ manifest: 'm'.repeat(4 * 1024 * 1024), exposes: [80] }), { exposes: [80] })
  for (const more of [
    { manifest: 'm'.repeat(4 * 1024 * 1024 + 1) },
    { manifest: 'm\0' },
    { config: '\u{e9}'.repeat(2 * 1024 * 1024 + 1) },
    { tdeps: Array.from({ length: 40_000 }, () => ident) },
    { exposes: Array.from({ length: 40_000 }, () => 80) },
  ])
    await t.rejects(find(more), { code: 'ERR_REMOTE_DEPOT', message: /unexpected answer/ })
})
