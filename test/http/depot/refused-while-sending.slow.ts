import { Agent } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { mock } from 'node:test'
import tap, { test } from 'tap'
import { ask, converse } from '../../support/ask.ts'
import { buildHart } from '../../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, uploadPath } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'

// An upload is refused by its first line and headers while its client goes on sending more than the kernel's
// buffers hold.

// No timer ends. The depot reads the rest of a refused body for ten seconds, and a busy machine may need
// longer than that.
mock.timers.enable({ apis: ['setTimeout'] })
tap.teardown(() => mock.timers.reset())

const PIECE = Buffer.alloc(256 * 1024)
const PIECES = 48

function* pieces(): Generator<Buffer> {
  for (let i = 0; i < PIECES; i += 1) yield PIECE
}

const FRAMINGS = {
  'with a length': { 'content-length': PIECE.length * PIECES },
  chunked: { 'transfer-encoding': 'chunked' },
}

/** The depot of all tests but those with limits, and its only package. */
const shared = await startDepot(tap, { listen: true })
await makeOrigin(shared)
const [published = buildHart()] = await publishAll(shared, { ident: 'acme/app/1.0.0/20260101120000' })
const fresh = buildHart({ ident: 'acme/app/1.1.0/20260101120000' })
const REFUSALS = [
  { what: 'without a token', path: uploadPath(fresh), headers: {}, status: 401 },
  {
    what: 'with a wrong token',
    path: uploadPath(fresh),
    headers: bearer('wrong-token-of-nobody'),
    status: 401,
  },
  {
    what: 'into an origin that does not exist',
    path: uploadPath(buildHart({ ident: 'nobody/app/1/20260101120000' })),
    headers: bearer(),
    status: 404,
  },
  { what: 'of an existing release', path: uploadPath(published), headers: bearer(), status: 409 },
  { what: 'without a checksum', path: uploadPath(fresh, { checksum: '' }), headers: bearer(), status: 422 },
  { what: 'of a file that is not a hart', path: uploadPath(fresh), headers: bearer(), status: 422 },
  { what: 'to an unknown route', path: '/v1/depot/nothing/here', headers: bearer(), status: 404 },
  { what: 'to a malformed URL', path: '/v1/depot/pkgs/acme/%zz', headers: bearer(), status: 400 },
]

test('a client that is refused while it sends gets the reason', async (t) => {
  const started = shared
  const before = await traces(started.depot)
  const keepAlive = new Agent({ keepAlive: true })
  t.teardown(() => keepAlive.destroy())
  for (const refusal of REFUSALS) {
    for (const [framing, length] of Object.entries(FRAMINGS)) {
      for (const agent of [undefined, keepAlive]) {
        await t.test(
          `${refusal.what}, ${framing}, ${agent === undefined ? 'closing' : 'keeping'} the connection`,
          async (s) => {
            const headers = { ...refusal.headers, ...length }
            const answer = await ask(started.url + refusal.path, {
              method: 'POST',
              headers,
              body: pieces(),
              ...(agent && { agent }),
            })
            s.equal(answer.status, refusal.status)
            s.equal(answer.headers.connection, 'close')
          },
        )
      }
    }
  }
  t.same(await traces(started.depot), before, 'and nothing is left behind')
})

test('a client that reads only after sending everything, like that of 2016, gets the reason', async (t) => {
  const started = shared
  for (const connection of ['close', 'keep-alive']) {
    const talk = converse(started.url)
    talk.socket.pause()
    const head = `POST ${uploadPath(published)} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nConnection: ${connection}\r\n`
    await pipeline(
      [Buffer.from(`${head}Content-Length: ${PIECE.length * PIECES}\r\n\r\n`), ...pieces()],
      talk.socket,
      { end: false },
    )
    talk.socket.resume()
    t.match(await talk.toTheEnd(), /^HTTP\/1\.1 409 /)
  }
})

test('a client with Expect: 100-continue is refused before it sends', async (t) => {
  const started = shared
  const talk = converse(started.url)
  await talk.say(
    `POST ${uploadPath(published)} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n`,
  )
  const heard = await talk.toTheEnd()
  t.match(heard, /^HTTP\/1\.1 409 /)
  t.notMatch(heard, '100 Continue')
})

test('a client with Expect: 100-continue is told to continue', async (t) => {
  const started = shared
  const talk = converse(started.url)
  await talk.say(
    `POST ${uploadPath(fresh)} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: ${fresh.bytes.length}\r\n` +
      'Connection: close\r\nExpect: 100-continue\r\n\r\n',
  )
  await talk.hear(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
  await talk.say(fresh.bytes)
  t.match(await talk.toTheEnd(), /\r\n\r\nHTTP\/1\.1 201 /)
})

test('an upload that is too large is refused by its length, or as soon as it exceeds the limit', async (t) => {
  const started = await startDepot(t, { listen: true, environment: { DEPOT_MAX_UPLOAD: '64KiB' } })
  await makeOrigin(started)
  const before = await traces(started.depot)
  const talk = converse(started.url)
  await talk.say(
    `POST ${uploadPath(fresh)} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: 65537\r\n\r\n`,
  )
  t.match(await talk.toTheEnd(), /^HTTP\/1\.1 413 /)
  const hart = buildHart({ files: [{ path: 'large', content: Buffer.alloc(128 * 1024) }] })
  const answer = await ask(started.url + uploadPath(hart), {
    method: 'POST',
    headers: bearer(),
    body: [hart.bytes],
  })
  t.equal(answer.status, 413)
  t.same(await traces(started.depot), before, 'the received bytes are removed')
})
