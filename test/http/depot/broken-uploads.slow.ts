import { test } from 'tap'
import { ask, converse } from '../../support/ask.ts'
import { buildHart } from '../../support/build-hart.ts'
import { bearer, makeOrigin, upload, uploadPath } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'
import { until } from '../../support/until.ts'

// Tests clients that leave, stall, or send a wrong length. Their uploads leave nothing, and the log says what
// happened.

const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
const size = hart.bytes.length

function head(framing: string, path = uploadPath(hart)): string {
  return `POST ${path} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\n${framing}\r\n\r\n`
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

const FORM_START = Buffer.from(
  '--xyz\r\nContent-Disposition: form-data; name="file"; filename="x.hart"\r\nContent-Type: application/octet-stream\r\n\r\n',
)
const FORM_END = Buffer.from('\r\n--xyz--\r\n')
const form = Buffer.concat([FORM_START, hart.bytes, FORM_END])

const BODIES = {
  'with a length': { head: head(`Content-Length: ${size}`), body: hart.bytes },
  chunked: {
    head: head('Transfer-Encoding: chunked'),
    body: Buffer.concat([chunk(hart.bytes), Buffer.from('0\r\n\r\n')]),
  },
  'as a form': {
    head: head(`Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: ${form.length}`),
    body: form,
  },
}

function refusals({ logged }: TestDepot): string[] {
  return logged.flatMap((line) => (typeof line['refusal'] === 'string' ? [line['refusal']] : []))
}

for (const [framing, { head: start, body }] of Object.entries(BODIES)) {
  test(`an upload ${framing} whose client leaves at any time leaves nothing`, async (t) => {
    const started = await startDepot(t, { listen: true })
    await makeOrigin(started)
    const before = await traces(started.depot)
    for (const sent of [0, 1, 6, 150, 260, 1000, body.length >> 1, body.length - 13, body.length - 7]) {
      for (const leave of ['cuts', 'half-closes'] as const) {
        const heard = refusals(started).length
        const talk = converse(started.url)
        await talk.say(start)
        await talk.say(body.subarray(0, sent))
        if (leave === 'half-closes') {
          talk.socket.end()
          t.match(await talk.toTheEnd(), /^HTTP\/1\.1 400 /, `${sent} bytes, ${leave}`)
        } else {
          talk.socket.destroy()
        }
        await until('the broken upload is refused', () =>
          refusals(started)
            .slice(heard)
            .some((refusal) => refusal.startsWith('length_mismatch: acme/app/1.0.0/20260101120000 ended')),
        )
      }
    }
    t.same(await traces(started.depot), before)
    t.equal((await upload(started, hart)).status, 201, 'and its ident is free')
  })

  test(`an upload ${framing} whose client leaves after its last byte is published, and its retry gets 409`, async (t) => {
    const started = await startDepot(t, { listen: true })
    await makeOrigin(started)
    const talk = converse(started.url)
    await talk.say(start)
    await talk.say(body)
    talk.socket.destroy()
    await until(
      'the release is published',
      async () => (await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000`)).status === 200,
    )
    t.equal((await upload(started, hart)).status, 409)
    t.ok(
      (await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download`)).body.equals(
        hart.bytes,
      ),
    )
  })

  test(`an upload ${framing} whose client stalls gets an error and leaves nothing`, async (t) => {
    // A form that stalls before its file starts is cut off when the time for its body is over.
    const started = await startDepot(t, { listen: true, limits: { uploadIdleMs: 30, bodyGraceMs: 500 } })
    await makeOrigin(started)
    const before = await traces(started.depot)
    for (const sent of [0, 100, body.length >> 1, body.length - 13]) {
      const talk = converse(started.url)
      await talk.say(start)
      await talk.say(body.subarray(0, sent))
      t.match(await talk.toTheEnd(), /^HTTP\/1\.1 408 /, `${sent} bytes`)
    }
    t.ok(
      refusals(started).every((refusal) => refusal.startsWith('stalled: ')),
      'it is named in the log',
    )
    t.same(await traces(started.depot), before)
  })
}

test('a Content-Length that is too small is refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const before = await traces(started.depot)
  for (const connection of ['close', 'keep-alive']) {
    const talk = converse(started.url)
    await talk.say(head(`Connection: ${connection}\r\nContent-Length: ${size - 100}`))
    await talk.say(hart.bytes)
    t.match(await talk.toTheEnd(), /^HTTP\/1\.1 4(00|22) /)
  }
  await until(
    'two uploads are refused',
    () => refusals(started).filter((refusal) => refusal.startsWith('checksum_mismatch: ')).length === 2,
  )
  t.same(await traces(started.depot), before)
})

test('two lengths, a length with chunks, and a malformed length are refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const before = await traces(started.depot)
  const framings = [
    `Content-Length: ${size}\r\nContent-Length: 1`,
    `Content-Length: ${size}\r\nTransfer-Encoding: chunked`,
    'Content-Length: -1',
    'Content-Length: 0x10',
    'Transfer-Encoding: chunked\r\n\r\nzz',
  ]
  for (const framing of framings) {
    const talk = converse(started.url)
    await talk.say(head(framing))
    t.match(
      await talk.toTheEnd(),
      /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n/,
      framing,
    )
  }
  await until('the broken chunk is refused', () =>
    refusals(started).some((refusal) => refusal.startsWith('length_mismatch: ')),
  ) // the refusal of the broken chunk
  t.same(await traces(started.depot), before)
})

test('a package sent byte by byte is complete', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const bytes = Array.from(hart.bytes, (byte) => Buffer.from([byte]))
  const answer = await ask(started.url + uploadPath(hart), { method: 'POST', headers: bearer(), body: bytes })
  t.equal(answer.status, 201)
  const got = await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download`)
  t.ok(got.body.equals(hart.bytes))
})

test('a key or an origin that stalls or breaks off gets an error', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { uploadIdleMs: 30 } })
  await makeOrigin(started)
  for (const path of [
    '/v1/depot/origins/acme/keys/20260202000000',
    '/v1/depot/origins/acme/secret_keys/20260202000000',
    '/v1/depot/origins',
  ]) {
    const stalling = converse(started.url)
    await stalling.say(head('Content-Length: 100', path))
    await stalling.say('SIG')
    t.match(await stalling.toTheEnd(), /^HTTP\/1\.1 408 /, path)
    const leaving = converse(started.url)
    await leaving.say(head('Content-Length: 100', path))
    await leaving.say('SIG')
    leaving.socket.end()
    t.match(await leaving.toTheEnd(), /^HTTP\/1\.1 400 /, path)
  }
  await until(
    'three uploads are refused',
    () => refusals(started).filter((refusal) => refusal.startsWith('length_mismatch: ')).length === 3,
  )
  t.notOk(
    started.logged.some((line) => line['level'] === 'error' || line['level'] === 'fatal'),
    'none is logged as an error',
  )
})
