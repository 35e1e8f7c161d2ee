import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { urlOf } from '../../src/cli/serve.ts'
import { formatPublicKey } from '../../src/origins/origin-key.ts'
import { ask } from '../support/ask.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { bearer, uploadPath } from '../support/origin.ts'
import { runToEnd, scratchFolder, startServer } from '../support/run-cli.ts'
import type { RunningServer } from '../support/run-cli.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

const GIVEN = { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }

test("the administrator's token is shown once, at the first start, and never logged", async (t) => {
  const folder = await scratchFolder(t)
  const first = await startServer(t, folder, { DEPOT_LOG_LEVEL: 'trace' })
  const [, token = ''] = await first.hears('stdout', /^export HART_DEPOT_TOKEN=(\S+)$/m)
  await first.hears('stdout', /\/latest"\n/)
  t.equal((await createOrigin(first, token, 'acme')).status, 201)
  first.process.kill('SIGTERM')
  const { code, stdout, stderr } = await first.ended
  t.equal(code, 0)
  t.equal(stdout.split(token).length - 1, 1)
  t.notMatch(stderr, token)
  for (const line of stderr.trimEnd().split('\n')) t.doesNotThrow(() => JSON.parse(line) as unknown, 'the log is lines of JSON')

  const second = await startServer(t, folder)
  second.process.kill('SIGTERM')
  t.equal((await second.ended).stdout, `hart-depot listens on ${second.url}\n`)
})

test('a token that was given is not shown', async (t) => {
  const server = await startServer(t, await scratchFolder(t), GIVEN)
  await server.hears('stdout', /\/latest"\n/)
  t.notMatch(server.stdout(), ADMIN_TOKEN)
  t.equal((await createOrigin(server, ADMIN_TOKEN, 'acme')).status, 201)
})

test('a token made beside a running server is good at once, and one revoked is not', async (t) => {
  const folder = await scratchFolder(t)
  const server = await startServer(t, folder, GIVEN)
  t.equal((await stat(join(folder, 'control.sock'))).mode & 0o777, 0o600)
  t.match(await runToEnd(['account', 'add', 'ci'], { DEPOT_DATA: folder }), { code: 0, stderr: '' })
  const issued = await runToEnd(['token', 'add', 'ci'], { DEPOT_DATA: folder })
  const token = issued.stdout.trim()
  t.equal((await createOrigin(server, token, 'first')).status, 201)

  const { stdout } = await runToEnd(['token', 'list', 'ci', '--json'], { DEPOT_DATA: folder })
  const [listed] = JSON.parse(stdout) as { id: number }[]
  t.match(await runToEnd(['token', 'revoke', String(listed?.id)], { DEPOT_DATA: folder }), { code: 0 })
  t.equal((await createOrigin(server, token, 'second')).status, 401)
  t.match(await runToEnd(['account', 'add', 'ci'], { DEPOT_DATA: folder }), { code: 1, stderr: 'hart-depot: the account "ci" exists already\n' }, 'refusals travel')
})

test('after kill -9 the command line and a new server work at once', async (t) => {
  const folder = await scratchFolder(t)
  const killed = await startServer(t, folder, GIVEN)
  killed.process.kill('SIGKILL')
  await killed.ended
  t.ok((await readdir(folder)).includes('control.sock'), 'it left its socket')
  t.match(await runToEnd(['account', 'add', 'ci'], { DEPOT_DATA: folder }), { code: 0, stderr: '' })

  const server = await startServer(t, folder)
  const { stdout } = await runToEnd(['token', 'add', 'ci'], { DEPOT_DATA: folder })
  t.equal((await createOrigin(server, stdout.trim(), 'acme')).status, 201)
})

test('a second server on the same data, or the same port, is refused in one line', async (t) => {
  const folder = await scratchFolder(t)
  const server = await startServer(t, folder, GIVEN)
  const sameData = await runToEnd(['serve'], { DEPOT_DATA: folder })
  t.match(sameData, { code: 1, stdout: '', stderr: /^hart-depot: another hart-depot is running on .*\n$/ })
  const address = server.url.slice('http://'.length)
  const samePort = await runToEnd(['serve'], { DEPOT_DATA: await scratchFolder(t), DEPOT_LISTEN: address, DEPOT_LOG_LEVEL: 'silent' })
  t.match(samePort, { code: 1, stderr: `hart-depot: cannot listen on ${address}: another program listens there\n` })
  t.match(samePort.stdout, /^export HART_DEPOT_TOKEN=hart_/m, 'the token that was made is not lost')
})

test('SIGTERM lets an upload in flight finish, and nothing else keeps the server', async (t) => {
  const folder = await scratchFolder(t)
  const server = await startServer(t, folder, GIVEN)
  await prepareOrigin(server)
  const idle = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(async () => idle.destroy())
  t.equal((await ask(`${server.url}/v1/depot/views`, { agent: idle })).status, 200)

  const upload = await beginUpload(server)
  server.process.kill('SIGTERM')
  await server.hears('stderr', /"msg":"stopping/)
  t.match(await runToEnd(['account', 'add', 'meanwhile'], { DEPOT_DATA: folder }), { code: 0 }, 'the command line still reaches it')
  const answer = await upload.finish()
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.connection, 'close')
  t.match(await server.ended, { code: 0 })
  t.notOk((await readdir(folder)).includes('control.sock'))
})

test('SIGTERM lets a download in flight finish, and then closes its connection', async (t) => {
  const server = await startServer(t, await scratchFolder(t), GIVEN)
  await prepareOrigin(server)
  // More than the buffers of both sides of a connection hold.
  const hart = buildHart({ ident: 'acme/large/1.0.0/20260101120000', files: [{ path: 'bin/large', content: Buffer.alloc(32 * 1024 * 1024, 'x') }] })
  t.equal((await ask(server.url + uploadPath(hart), { method: 'POST', headers: bearer(), body: hart.bytes })).status, 201)

  const agent = new Agent({ keepAlive: true })
  t.teardown(async () => agent.destroy())
  const download = request(`${server.url}/v1/depot/pkgs/acme/large/1.0.0/20260101120000/download`, { agent }).end()
  const [answer] = (await once(download, 'response')) as [IncomingMessage]
  server.process.kill('SIGTERM')
  await server.hears('stderr', /"msg":"stopping/)
  let received = 0
  answer.on('data', (piece: Buffer) => {
    received += piece.length
  })
  await once(answer, 'end')
  t.equal(received, hart.bytes.length)
  t.match(await server.ended, { code: 0 })
})

test('a second signal ends at once', async (t) => {
  const server = await startServer(t, await scratchFolder(t), GIVEN)
  await prepareOrigin(server)
  const upload = await beginUpload(server)
  server.process.kill('SIGTERM')
  await server.hears('stderr', /"msg":"stopping/)
  const insisting = setInterval(() => server.process.kill('SIGTERM'), 100)
  t.match(await server.ended, { code: 1 })
  clearInterval(insisting)
  await t.rejects(upload.finish())
})

test('an address is told as this machine reaches it', async (t) => {
  t.equal(urlOf('0.0.0.0', 80), 'http://127.0.0.1:80')
  t.equal(urlOf('::', 80), 'http://[::1]:80')
  t.equal(urlOf('fd00::7', 9636), 'http://[fd00::7]:9636')
  t.equal(urlOf('depot.example', 9636), 'http://depot.example:9636')
})

const HART = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })

function createOrigin({ url }: RunningServer, token: string, name: string) {
  return ask(`${url}/v1/depot/origins`, { method: 'POST', headers: bearer(token), body: JSON.stringify({ name }) })
}

async function prepareOrigin(server: RunningServer): Promise<void> {
  await createOrigin(server, ADMIN_TOKEN, 'acme')
  const { publicKey } = makeKeys('acme')
  await ask(`${server.url}/v1/depot/origins/acme/keys/${publicKey.revision}`, { method: 'POST', headers: bearer(), body: formatPublicKey(publicKey) })
}

/** An upload that the server has begun to read and that lacks its second half. */
async function beginUpload(server: RunningServer): Promise<{ finish(): Promise<IncomingMessage> }> {
  const headers = { ...bearer(), 'content-length': HART.bytes.length, expect: '100-continue' }
  const upload = request(server.url + uploadPath(HART), { method: 'POST', headers, agent: new Agent({ keepAlive: true }) })
  const answered = once(upload, 'response').then(([answer]) => answer as IncomingMessage)
  answered.catch(() => undefined)
  upload.flushHeaders()
  await once(upload, 'continue')
  upload.write(HART.bytes.subarray(0, HART.bytes.length / 2))
  return {
    async finish() {
      upload.end(HART.bytes.subarray(HART.bytes.length / 2))
      return (await answered).resume()
    },
  }
}
