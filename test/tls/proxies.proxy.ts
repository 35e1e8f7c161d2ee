import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request as requestSecurely } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { makeAuthority } from '../support/signin/certificates.ts'
import type { Certificate } from '../support/signin/certificates.ts'
import { CLONE, blocksOf } from '../support/documents/document.ts'
import { HabToday, uploadToday } from '../support/habitat/hab-today.ts'
import { bearer, uploadPath } from '../support/origin.ts'
import { startCaddy, startNginx } from '../support/http/proxy-programs.ts'
import { makeView, move } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// The configurations of docs/tls.md, in the real nginx and Caddy. Needs both, and openssl: `npm run test:tls`.

const authority = await makeAuthority(tap)
const document = blocksOf(await readFile(join(CLONE, 'docs/tls.md'), 'utf8'))
const POLL = '/v1/depot/views/prod/channels/acme/stable/pkgs/app/latest?target=x86_64-linux'

/** Returns the configuration in the document, for other files and ports. */
function configurationOf(
  language: 'nginx' | 'caddy',
  { certificate, key }: Certificate,
  { depot, port }: { depot: TestDepot; port: number },
): string {
  const block = document.find((each) => each.language === language)
  if (block === undefined) throw new Error(`docs/tls.md has no block in ${language}`)
  return block.lines
    .join('\n')
    .replace('/etc/ssl/depot.example.pem', certificate)
    .replace('/etc/ssl/private/depot.example.key', key)
    .replace('127.0.0.1:9636', new URL(depot.url).host)
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('server_name depot.example', 'server_name localhost')
    .replace('depot.example {', `https://localhost:${port} {\n\tbind 127.0.0.1`)
}

const PROXIES = {
  nginx: (t: Test, depot: TestDepot, files: Certificate) =>
    startNginx(t, (port) => configurationOf('nginx', files, { depot, port })),
  caddy: (t: Test, depot: TestDepot, files: Certificate) =>
    startCaddy(t, (port) => configurationOf('caddy', files, { depot, port })),
}

/** Opens a TLS connection as hab does: without ALPN, and for one request. */
async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem, ...options })
  await once(socket, 'secureConnect')
  return socket
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

interface Sent {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer | Readable
}

async function open(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Sent = {},
): Promise<IncomingMessage> {
  const request = requestSecurely({
    host: 'localhost',
    port,
    path,
    method,
    headers,
    ca: authority.pem,
    agent: false,
  })
  if (body instanceof Readable) body.pipe(request)
  else request.end(body)
  request.on('error', () => undefined) // a proxy may close a connection on which a refused body is sent
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  return answer
}

async function ask(port: number, path: string, sent?: Sent): Promise<Answer> {
  const answer = await open(port, path, sent)
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) }
}

for (const [name, start] of Object.entries(PROXIES)) {
  test(`${name} serves hab, uploads, downloads and events over TLS`, async (t) => {
    const started = await startDepot(t, {
      listen: true,
      limits: { wrongTokensPerMinute: 1 },
      environment: { DEPOT_TRUST_PROXY: '127.0.0.1' },
    })
    const hart = await publish(started)
    const port = await start(t, started, authority.valid)
    await pollsLikeHab(t, port)
    await movesPackages(t, port, hart)
    await streams(t, port, started)
    await passesAddresses(t, port)
  })

  test(`an expired certificate in ${name} is refused by clients, with the reason`, async (t) => {
    const started = await startDepot(t, { listen: true })
    const port = await start(t, started, authority.expired)
    await t.rejects(handshake(port), { code: 'CERT_HAS_EXPIRED' })
  })
}

/** Publishes a package, and promotes it into a view. */
async function publish(started: TestDepot): Promise<BuiltHart> {
  const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  await started.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  await uploadToday(new HabToday(started.url, { token: ADMIN_TOKEN }), hart, { channel: 'stable' })
  await makeView(started, 'prod', 'promoted')
  await move(started, 'promote', 'prod', [{ ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' }])
  return hart
}

async function pollsLikeHab(t: Test, port: number): Promise<void> {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(port, { minVersion: version, maxVersion: version })
    t.match(socket.getPeerCertificate(), { nistCurve: 'P-256' })
    t.strictSame([socket.alpnProtocol, socket.getProtocol()], [false, version])
    socket.write(
      `GET ${POLL} HTTP/1.1\r\nhost: localhost:${port}\r\nconnection: close\r\naccept: */*\r\nuser-agent: hab-sup/2.1.78\r\n\r\n`,
    )
    const [head = '', body = ''] = (await buffer(socket)).toString('latin1').split('\r\n\r\n', 2)
    t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
    t.match(head, /\r\ndepot-revision: \d+/i)
    t.match(head, /\r\netag: "[0-9a-f]{64}"/i, 'not weakened by a compression')
    t.notMatch(head, /content-encoding/i)
    t.match(
      JSON.parse(body.startsWith('{') ? body : body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)),
      {
        ident: { name: 'app', version: '1.0.0' },
      },
    )
  }
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
  await t.rejects(handshake(port, old), 'TLS 1.1')
}

async function movesPackages(t: Test, port: number, hart: BuiltHart): Promise<void> {
  const downloaded = await ask(port, '/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download')
  t.match(downloaded, { status: 200, headers: { 'x-filename': /^acme-app-1\.0\.0-.*\.hart$/ } })
  t.ok(downloaded.body.equals(hart.bytes))
  const second = buildHart({ ident: 'acme/app/2.0.0/20260101120000', keys: hart.keys })
  const sent = { method: 'POST', headers: bearer(), body: second.bytes }
  t.match(await ask(port, uploadPath(second), sent), { status: 201 })
  // The body never ends, so an answer shows that the proxy does not wait for it.
  const endless = new Readable({ read: () => undefined })
  endless.push(Buffer.alloc(64 * 1024))
  const refused = await open(port, uploadPath(hart), { method: 'POST', body: endless })
  t.equal(refused.statusCode, 401, 'a refused upload is refused at once')
  refused.destroy()
  const below = { method: 'POST', headers: { 'user-agent': 'curl/8.5.0' } }
  const readOnly = await ask(port, '/v1/depot/views/prod/pkgs/acme/app', below)
  t.match(readOnly.body.toString(), `send POST to https://localhost:${port}/v1/depot/pkgs/acme/app`)
}

async function streams(t: Test, port: number, started: TestDepot): Promise<void> {
  const headers = { accept: 'text/event-stream', ...bearer() }
  const events = await open(port, '/api/v1/events', { headers })
  t.match(events.headers, { 'content-type': 'text/event-stream' })
  let heard = ''
  const promoted = Promise.withResolvers<undefined>()
  events.on('data', (piece: Buffer) => {
    heard += piece.toString()
    if (heard.includes('promotion')) promoted.resolve(undefined)
  })
  await once(events, 'data')
  await move(started, 'promote', 'prod', [{ ident: 'acme/app/2.0.0/20260101120000', target: 'x86_64-linux' }])
  await promoted.promise
  t.match(heard, /acme\/app\/2\.0\.0/, 'an event arrives when it happens')
  events.destroy()
}

async function passesAddresses(t: Test, port: number): Promise<void> {
  const statuses: number[] = []
  for (const claimed of ['203.0.113.1', '203.0.113.2'])
    statuses.push(
      (await ask(port, POLL, { headers: { authorization: 'Bearer wrong', 'x-forwarded-for': claimed } }))
        .status,
    )
  t.strictSame(statuses, [401, 429], 'nobody chooses the address for which wrong tokens are counted')
  t.equal((await ask(port, POLL, { headers: bearer() })).status, 200, 'tokens are passed on')
}
