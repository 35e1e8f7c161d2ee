import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { Test } from 'tap'
import { ask } from '../support/ask.ts'
import type { Asked } from '../support/ask.ts'
import { commandsOn, runCommand } from '../support/command.ts'
import { answersIn, pathsOf } from '../support/http/edge.ts'
import { bearer, makeOrigin, publishAll } from '../support/origin.ts'
import { startNginx } from '../support/http/proxy-programs.ts'
import { makeReleases, setVisibility } from '../support/release-rows.ts'
import { run as runProcess } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

// The real nginx with the configuration that `nginx-conf` prints, and the files that `materialize` writes.
// Needs nginx: `npm run test:nginx`.

const OLD = 'acme/app/1.0.0/20260101000000'
const NEW = 'acme/app/1.1.0/20260102000000'
const POLL = '/v1/depot/views/acceptance/pkgs/acme/app/latest'
/** Nothing listens there. */
const AWAY = '127.0.0.1:1'

interface Edge {
  readonly started: TestDepot
  readonly folder: string
  readonly run: ReturnType<typeof commandsOn>
  readonly materialize: () => Promise<void>
}

async function startEdge(t: Test): Promise<Edge> {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await makeReleases(started, OLD, NEW, `${OLD} for aarch64-linux`, 'acme/secret/1.0.0/20260101000000')
  await setVisibility(started, 'acme/secret/1.0.0/20260101000000', 'private')
  const run = commandsOn(started)
  await run(['promote', 'acceptance', OLD, '--yes'])
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const materialize = async () => {
    const { code, stderr } = await run(['materialize', '--to', folder])
    if (code !== 0) throw new Error(stderr)
  }
  await materialize()
  return { started, folder, run, materialize }
}

/** Starts nginx in front of depots, and resolves with its URL. */
async function startServer(
  t: Test,
  { folder }: Pick<Edge, 'folder'>,
  upstream: string,
  ...options: string[]
): Promise<string> {
  const args = ['nginx-conf', '--files', folder, '--upstream', upstream, ...options]
  const { code, stdout, stderr } = await runCommand([...args, '--listen', '127.0.0.1:65535'])
  if (code !== 0) throw new Error(stderr)
  const port = await startNginx(t, (free) => stdout.replace('127.0.0.1:65535', `127.0.0.1:${free}`))
  return `http://127.0.0.1:${port}`
}

const runProgram = promisify(execFile)
const pair = (version: string) => [`acme/app/${version}/1`, `acme/tool/${version}/1`]
const addressOf = ({ url }: TestDepot) => url.replace('http://', '')

test('without a depot, nginx answers from the files what the depot answers', async (t) => {
  const edge = await startEdge(t)
  const url = await startServer(t, edge, AWAY)
  const asked: { path: string; options?: Asked }[] = answersIn(edge.folder)
    .flatMap(pathsOf)
    .map((path) => ({ path }))
  for (const agent of [
    'hab-sup/0.8.0/1 (aarch64-linux; 4.4.0)',
    'hab/2 (other-linux; 1) (aarch64-linux; 2)',
    '',
  ])
    for (const place of ['channels/acme/unstable/pkgs/app/latest', 'pkgs/acme/app/latest'])
      asked.push({ path: `/v1/depot/${place}`, options: { headers: { 'user-agent': agent } } })
  t.ok(asked.length > 40)
  for (const { path, options } of asked) {
    const [live, served] = [await ask(edge.started.url + path, options), await ask(url + path, options)]
    t.equal(served.status, 200, path)
    t.ok(served.body.equals(live.body), `${path} has the body of the depot`)
    for (const name of [
      'content-type',
      'cache-control',
      'content-length',
      'x-filename',
      'content-disposition',
    ])
      if (name !== 'cache-control' || live.headers[name] !== undefined)
        t.equal(served.headers[name], live.headers[name], `${path}: ${name}`)
    t.equal(served.headers['last-modified'], undefined)
    const head = await ask(url + path, { ...options, method: 'HEAD' })
    t.match(head, { status: 200, text: '', headers: { 'content-length': String(live.body.length) } })
    const known = { ...options?.headers, 'if-none-match': served.headers.etag }
    t.match(await ask(url + path, { headers: known }), { status: 304 })
    const range = { ...options?.headers, range: 'bytes=0-1' }
    t.match(await ask(url + path, { headers: range }), { status: 200, text: served.text })
  }
  t.equal((await ask(`${url}/healthz`)).status, 502)
})

test('all other requests get the answers of the depot', async (t) => {
  const edge = await startEdge(t)
  const { started } = edge
  const url = await startServer(t, edge, addressOf(started))
  const withTarget = `${POLL}?target=x86_64-linux`
  const others: [path: string, options?: Asked][] = [
    [POLL, { headers: { authorization: 'Bearer wrong' } }],
    [POLL, { headers: { authorization: 'Basic !' } }],
    [POLL, { headers: bearer() }],
    [`${POLL}?target=nonsense`],
    [`${POLL}?target=`],
    [`${POLL}?target=x86_64-linux&target=aarch64-linux`],
    [`${withTarget}&other=1`],
    [`${POLL}?other=1`],
    [withTarget, { method: 'POST', headers: { 'content-length': 0 } }],
    [withTarget, { method: 'DELETE' }],
    [withTarget.replace('views/acceptance', 'views/absent'), { headers: { 'user-agent': 'hab-sup/2' } }],
    [withTarget.replace('views/acceptance', 'views/acceptance@1')],
    [withTarget.replace('acme/app', 'acme%2fapp')],
    [withTarget.replace('acme/app', 'acme/a%70p')],
    [withTarget.replace('acme/app', 'acme//app')],
    [withTarget.replace('acme/app', 'acme/../acme/app')],
    ['/v1/depot/views/../../state/pkgs/acme/app/latest'],
    ['/v1/depot/channels/../../../pkgs/state.json/latest'],
    ['/v1/depot/channels/..%2f..%2fstate/now/pkgs/acme/latest'],
    ['/views/acceptance/now/acme/app,x86_64-linux'],
    ['/state.json'],
    [`/v1/depot/channels/acme/unstable/pkgs/${'a'.repeat(300)}/latest`],
    [`/v1/depot/pkgs/${OLD}`],
    [`/v1/depot/pkgs/${OLD}?target=aarch64-darwin`],
    [`/v1/depot/channels/acme/acceptance/pkgs/app/1.1.0/20260102000000?target=x86_64-linux`],
    ['/v1/depot/channels/acme?sandbox=true'],
    ['/v1/depot/pkgs/acme'],
    ['/v1/depot/views/acceptance/pkgs/acme/app', { headers: { range: '1' } }],
    ['/v1/depot/origins/acme/keys/latest'],
    ['/v1/depot/origins/acme/keys/20200101000000'],
    ['/v1/depot/channels/acme/unstable/pkgs/secret/latest?target=x86_64-linux'],
    ['/v1/depot/channels/acme/unstable/pkgs/secret/latest?target=x86_64-linux', { headers: bearer() }],
    ['/v1/depot/pkgs/acme/secret/1.0.0/20260101000000?target=x86_64-linux', { headers: bearer() }],
    ['/api/v1/views/acceptance'],
  ]
  const volatile = ['date', 'server', 'connection', 'keep-alive', 'transfer-encoding', 'x-request-id']
  for (const [path, options] of others) {
    const [live, served] = [await ask(started.url + path, options), await ask(url + path, options)]
    const what = `${options?.method ?? 'GET'} ${path} ${JSON.stringify(options?.headers ?? {})}`
    t.equal(served.status, live.status, what)
    if (live.status < 400) t.equal(served.text, live.text, what)
    for (const [name, value] of Object.entries(live.headers))
      if (!volatile.includes(name) && name !== 'content-length')
        t.equal(served.headers[name], value, `${what}: ${name}`)
  }
  t.equal((await ask(url + POLL, { headers: { authorization: 'Bearer wrong' } })).status, 401)
  const secret = `${url}/v1/depot/channels/acme/unstable/pkgs/secret/latest?target=x86_64-linux`
  t.equal((await ask(secret)).status, 404)
  t.equal((await ask(secret, { headers: bearer() })).status, 200)
})

test('another depot answers while one is away', async (t) => {
  const edge = await startEdge(t)
  const url = await startServer(t, edge, `${AWAY},${addressOf(edge.started)}`)
  for (let count = 0; count < 4; count += 1) t.equal((await ask(`${url}/healthz`)).status, 200)
})

test('depots that answer 503 to some requests are still asked the others', async (t) => {
  const addresses: string[] = []
  for (let count = 0; count < 2; count += 1) {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/busy' ? 503 : 200).end()
    }).listen(0, '127.0.0.1')
    t.teardown(async () => void server.close())
    await once(server, 'listening')
    addresses.push(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
  const url = await startServer(t, { folder: '/nowhere' }, addresses.join(','))
  for (let count = 0; count < 5; count += 1) {
    t.equal((await ask(`${url}/busy`)).status, 503)
    t.equal((await ask(`${url}/readyz`)).status, 200)
  }
})

test('nginx sends packages itself, after the depot has allowed it', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    environment: { DEPOT_ACCEL_LOCATION: '/_packages', DEPOT_TRUST_PROXY: '127.0.0.1' },
  })
  await makeOrigin(started)
  const [hart] = await publishAll(started, OLD)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const blobs = join(started.folder, 'blobs')
  const url = await startServer(t, { folder }, addressOf(started), '--blobs', blobs)
  const path = `/v1/depot/pkgs/${OLD}/download?target=x86_64-linux`
  const [live, served] = [await ask(started.url + path), await ask(url + path)]
  t.ok(served.body.equals(hart?.bytes ?? Buffer.alloc(0)))
  for (const name of ['x-filename', 'etag', 'content-disposition', 'content-length', 'cache-control'])
    t.equal(served.headers[name], live.headers[name], name)
  t.match(served.headers['accept-ranges'], /bytes/)
  const range = await ask(url + path, { headers: { range: 'bytes=5-9' } })
  t.match(range, { status: 206, text: hart?.bytes.subarray(5, 10).toString() ?? 'absent' })
  t.match(await ask(url + path, { headers: { 'if-none-match': live.headers.etag } }), { status: 304 })
  t.equal((await ask(`${url}/_packages/${hart?.checksum.slice(0, 2)}/${hart?.checksum}`)).status, 404)
  await setVisibility(started, OLD, 'private')
  t.equal((await ask(url + path)).status, 404)
  t.ok((await ask(url + path, { headers: bearer() })).body.equals(served.body), 'a token still gets it')
  const without = await startServer(t, { folder }, addressOf(started))
  const claim = { ...bearer(), 'x-accel-location': '/_packages' }
  t.ok((await ask(without + path, { headers: claim })).body.equals(served.body), 'a client cannot ask for it')
})

test('nginx accepts every form of the configuration', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const key = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const [certificate, keyFile] = [join(folder, 'tls.pem'), join(folder, 'tls.key')]
  const made = ['-subj', '/CN=localhost', '-nodes', '-days', '2', '-out', certificate, '-keyout', keyFile]
  await runProgram('openssl', ['req', '-x509', '-newkey', ...key, ...made])
  const tls = ['--tls', certificate, '--tls-key', keyFile, '--server-name', 'depot.example']
  const forms = [
    [],
    ['--files', folder, '--direct', '127.0.0.1:9635', ...tls],
    ['--blobs', 'https://127.0.0.1:7480', '--upstream', 'localhost:9636,[::1]:9636'],
    ['--blobs', folder, '--listen', '[::1]:8080', '--files', folder],
  ]
  for (const form of forms) {
    const { code, stdout, stderr } = await runCommand(['nginx-conf', ...form])
    t.equal(code, 0)
    t.equal(stderr, '')
    const file = join(folder, 'nginx.conf')
    const head = `pid ${folder}/pid; error_log stderr; events {}`
    await writeFile(file, `${head} http { access_log off; ${stdout} }`)
    await t.resolves(runProgram('nginx', ['-t', '-q', '-p', folder, '-c', file]), form.join(' '))
  }
  const refused = [
    ['--upstream', 'x y'],
    ['--tls', certificate],
    ['--files', '/a"b'],
    ['--blobs', 'ftp://a/'],
  ]
  for (const options of refused) t.match(await runCommand(['nginx-conf', ...options]), { code: 2 })
})

test('what becomes private or leaves is not served any more', async (t) => {
  const edge = await startEdge(t)
  const url = await startServer(t, edge, AWAY)
  const show = `${url}/v1/depot/pkgs/${OLD}?target=x86_64-linux`
  t.equal((await ask(url + POLL)).status, 200)
  t.equal((await ask(show)).status, 200)
  await setVisibility(edge.started, OLD, 'private')
  await edge.materialize()
  t.equal((await ask(url + POLL)).status, 502, 'the depot is asked')
  t.equal((await ask(show)).status, 502)
  await setVisibility(edge.started, OLD, 'public')
  await edge.materialize()
  t.equal((await ask(url + POLL)).status, 200)
  await edge.run(['demote', 'acceptance', OLD, '--yes'])
  await edge.materialize()
  t.equal((await ask(url + POLL)).status, 502)
  t.equal((await ask(show)).status, 200)
})

test('polls see promotions in order, and each revision at once, while files follow them', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  await makeOrigin(started)
  const versions = Array.from({ length: 20 }, (_, index) => `1.0.${index}`)
  await makeReleases(started, ...versions.flatMap(pair))
  const run = commandsOn(started)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  // in a process of its own, so that polls come between its steps
  const following = runProcess(['materialize', '--to', folder, '--follow', '--url', started.url])
  t.teardown(async () => void following.process.kill('SIGKILL'))
  // Until a view has a file for a package, the depot answers, which may be ahead of the files.
  await run(['promote', 'acceptance', ...pair(versions[0] ?? ''), '--yes'])
  const file = join(folder, 'current/views/acceptance/now/acme/app,x86_64-linux')
  await until('the files are served', () => existsSync(file))
  const url = await startServer(t, { folder }, addressOf(started))
  const versionOf = async (name: string) => {
    const { status, text } = await ask(`${url}/v1/depot/views/acceptance/pkgs/acme/${name}/latest`)
    return status === 404
      ? -1
      : versions.indexOf((JSON.parse(text) as { ident: { version: string } }).ident.version)
  }
  const faults: string[] = []
  const ended = new AbortController()
  const poll = async (first: string, second: string) => {
    for (let before = -1; !ended.signal.aborted;) {
      const one = await versionOf(first)
      const other = await versionOf(second)
      if (one < before || other < one) faults.push(`${first} ${one} after ${before}, then ${second} ${other}`)
      before = other
    }
  }
  const polls = [poll('app', 'tool'), poll('tool', 'app')]
  for (const [index, version] of versions.entries()) {
    if (index === 0) continue
    t.match(await run(['promote', 'acceptance', ...pair(version), '--yes']), { code: 0 })
    await until(`nginx answers ${version}`, async () => (await versionOf('app')) === index)
  }
  ended.abort()
  await Promise.all(polls)
  t.strictSame(faults, [])
  t.match(await readFile(file, 'utf8'), /"version":"1\.0\.19"/)
  following.process.kill('SIGTERM')
  t.match(await following.ended, { code: 143 })
})
