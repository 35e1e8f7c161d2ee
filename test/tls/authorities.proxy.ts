import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { DepotClient } from '../../src/client/client.ts'
import { readConfig } from '../../src/config/config.ts'
import { openSource } from '../../src/upstream/source.ts'
import { makeAuthority } from '../support/signin/certificates.ts'
import type { Certificate } from '../support/signin/certificates.ts'
import { startNginx } from '../support/http/proxy-programs.ts'
import { NEWER, startPullSource } from '../support/copies/pull.ts'
import { runToEnd, scratchFolder, startServer } from '../support/run-cli.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Everything in hart-depot that connects to another server, with certificates of a private authority. Needs
// nginx and openssl: `npm run test:tls`.

const authority = await makeAuthority(tap)
const other = await makeAuthority(tap)
const UNKNOWN = /signed by an authority that this machine does not (know|trust)/
const TRUSTED = { NODE_EXTRA_CA_CERTS: authority.file }
const { source } = await startPullSource(tap)
const depot = `https://localhost:${await proxyWith(authority.valid)}`

/** Starts nginx in front of the source of pulls, and resolves with its port. */
async function proxyWith({ certificate, key }: Certificate): Promise<number> {
  return startNginx(
    tap,
    (port) =>
      `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${certificate}; ssl_certificate_key ${key};
       location / { proxy_pass ${source.url}; proxy_set_header Host $http_host; } }`,
  )
}

const version = async (environment: Readonly<Record<string, string>>, url = depot) =>
  runToEnd(['version', '--url', url], { HART_DEPOT_TOKEN: ADMIN_TOKEN, ...environment })

test('the command line trusts the authorities in NODE_EXTRA_CA_CERTS, or those of the machine', async (t) => {
  t.match(await version({}), { code: 7, stderr: UNKNOWN })
  t.match(await version(TRUSTED), { code: 0, stdout: /hart-depot/ })
  const ofMachine = { NODE_OPTIONS: '--use-system-ca', SSL_CERT_FILE: authority.file }
  t.match(await version(ofMachine), { code: 0, stdout: /hart-depot/ })
  const expired = `https://localhost:${await proxyWith(authority.expired)}`
  t.match(await version(TRUSTED, expired), { code: 7, stderr: /its certificate has expired/ })
})

test('a client trusts the authorities in its option in addition to the usual ones', async (t) => {
  const client = new DepotClient({ url: depot, token: ADMIN_TOKEN, ca: authority.pem, retries: 0 })
  t.match(await client.getVersion(), { name: 'hart-depot' })
  await t.rejects(new DepotClient({ url: depot, ca: other.pem, retries: 0 }).getVersion(), {
    message: UNKNOWN,
  })
  const script = `
    import { readFileSync } from 'node:fs'
    import { DepotClient } from ${JSON.stringify(join(import.meta.dirname, '../../src/client/client.ts'))}
    const client = new DepotClient({ url: ${JSON.stringify(depot)}, ca: readFileSync(process.env.OTHER, 'utf8'), retries: 0 })
    console.log((await client.getVersion()).name)`
  const file = join(await scratchFolder(t), 'program.ts')
  await writeFile(file, script)
  t.equal(await outputOf(t, file, { ...TRUSTED, OTHER: other.file }), 'hart-depot\n')
})

test('pull and import-builder trust the authorities in NODE_EXTRA_CA_CERTS', async (t) => {
  const folder = await scratchFolder(t)
  const key = join(folder, 'depot.key')
  await writeFile(key, await (await fetch(`${source.url}/api/v1/depot/keys/current`)).text())
  const pull = ['pull', depot, '--view', 'delivered', '--key', key, '--save', join(folder, 'saved')]
  t.match(await runToEnd(pull), { code: 7, stderr: UNKNOWN })
  t.match(await runToEnd(pull, TRUSTED), { code: 0 })
  t.match(await readFile(join(folder, 'saved/lockfile'), 'utf8'), NEWER)
  const list = ['import-builder', depot, '--origin', 'acme', '--dry-run', '--to', source.url]
  const token = { HART_DEPOT_TOKEN: ADMIN_TOKEN }
  t.match(await runToEnd(list, token), { code: 7, stderr: UNKNOWN })
  t.match(await runToEnd(list, { ...TRUSTED, ...token }), { code: 0 })
})

test('upstream is trusted by DEPOT_UPSTREAM_CA, too', async (t) => {
  for (const [file, isReachable] of [
    [authority.file, true],
    [other.file, false],
  ] as const) {
    const { upstream } = readConfig({
      DEPOT_UPSTREAM: depot,
      DEPOT_UPSTREAM_ORIGINS: 'acme',
      DEPOT_UPSTREAM_CA: file,
    })
    if (upstream === undefined) throw new Error('there is no upstream')
    const remote = await openSource(upstream, 'client', { log: source.depot.log })
    t.equal(await remote.isReachable(), isReachable)
  }
})

test('webhooks reach a receiver whose authority is in NODE_EXTRA_CA_CERTS, and serve warns of a file that it cannot read', async (t) => {
  const receiver = await startSecureReceiver(t)
  const networks = { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8', DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }
  const ping = async (environment: Readonly<Record<string, string>>) => {
    const folder = await scratchFolder(t)
    const server = await startServer(t, folder, { ...networks, ...environment })
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'hook', url: receiver, filter: {} })
    await fetch(`${server.url}/api/v1/webhooks`, { method: 'POST', headers, body })
    const answer = await fetch(`${server.url}/api/v1/webhooks/hook/pings`, { method: 'POST', headers })
    const text = await answer.text()
    server.process.kill('SIGTERM')
    const { stdout, stderr } = await server.ended
    return { text, log: stdout + stderr }
  }
  t.match(await ping(TRUSTED), { text: /204/ })
  const missing = join(await scratchFolder(t), 'missing.pem')
  const untrusted = await ping({ NODE_EXTRA_CA_CERTS: missing })
  t.match(untrusted.text, UNKNOWN)
  t.match(untrusted.log, `NODE_EXTRA_CA_CERTS names ${missing}, which cannot be read (ENOENT)`)
})

/** Starts a server with TLS that answers 204, and resolves with its URL. */
async function startSecureReceiver(t: Test): Promise<string> {
  const { certificate, key } = authority.valid
  const options = { cert: await readFile(certificate), key: await readFile(key) }
  const server = createServer(options, (request, response) => {
    request.resume()
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}/`
}

/** Runs a script in a process of its own, and resolves with its output. */
async function outputOf(
  t: Test,
  file: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let written = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      written += text
    })
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0)
  return written
}
