import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { ask } from '../../../support/ask.ts'
import { buildHart, makeKeys } from '../../../support/build-hart.ts'
import { bearer, uploadPath } from '../../../support/origin.ts'
import { runHere, scratchFolder, startServer } from '../../../support/run-cli.ts'
import type { RunningServer } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN } from '../../../support/start-depot.ts'

const GIVEN = { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }

test('after SIGTERM, an upload and a download in flight finish, and then the server ends', async (t) => {
  const folder = await scratchFolder(t)
  const server = await startServer(t, folder, GIVEN)
  await prepareOrigin(server)
  // Larger than the buffers of both sides of a connection.
  const hart = buildHart({
    ident: 'acme/large/1.0.0/20260101120000',
    files: [{ path: 'bin/large', content: Buffer.alloc(12 * 1024 * 1024, 'x') }],
  })
  t.equal(
    (await ask(server.url + uploadPath(hart), { method: 'POST', headers: bearer(), body: hart.bytes }))
      .status,
    201,
  )
  const idle = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(async () => idle.destroy())
  t.equal((await ask(`${server.url}/v1/depot/views`, { agent: idle })).status, 200)
  const agent = new Agent({ keepAlive: true })
  t.teardown(async () => agent.destroy())
  const download = request(`${server.url}/v1/depot/pkgs/acme/large/1.0.0/20260101120000/download`, {
    agent,
  }).end()
  const [downloaded] = (await once(download, 'response')) as [IncomingMessage]

  const upload = await beginUpload(server)
  server.process.kill('SIGTERM')
  await server.hears('stderr', /"msg":"stopping/)
  t.match(
    await runHere(['account', 'add', 'meanwhile'], { DEPOT_DATA: folder }),
    { code: 0 },
    'the command line still reaches the server',
  )
  const answer = await upload.finish()
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.connection, 'close')
  let received = 0
  downloaded.on('data', (piece: Buffer) => {
    received += piece.length
  })
  await once(downloaded, 'end')
  t.equal(received, hart.bytes.length)
  t.match(await server.ended, { code: 0 })
  t.notOk((await readdir(folder)).includes('control.sock'))
})

test('a second signal ends the server at once', async (t) => {
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

const HART = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })

async function prepareOrigin(server: RunningServer): Promise<void> {
  await ask(`${server.url}/v1/depot/origins`, { method: 'POST', headers: bearer(), body: '{"name":"acme"}' })
  const { publicKey } = makeKeys('acme')
  await ask(`${server.url}/v1/depot/origins/acme/keys/${publicKey.revision}`, {
    method: 'POST',
    headers: bearer(),
    body: formatPublicKey(publicKey),
  })
}

/** Sends the first half of an upload. `finish` sends the second half. */
async function beginUpload(server: RunningServer): Promise<{ finish(): Promise<IncomingMessage> }> {
  const headers = { ...bearer(), 'content-length': HART.bytes.length, expect: '100-continue' }
  const upload = request(server.url + uploadPath(HART), {
    method: 'POST',
    headers,
    agent: new Agent({ keepAlive: true }),
  })
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
