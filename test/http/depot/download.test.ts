import { Agent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { test } from 'tap'
import { ask } from '../../support/ask.ts'
import { buildHart } from '../../support/build-hart.ts'
import { openBlobs } from '../../support/storage/open-blobs.ts'
import { makeOrigin, publishAll } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import { until } from '../../support/until.ts'

const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
const size = hart.bytes.length
const path = '/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download'
const tag = `"${hart.checksum}"`

test('a download has the headers that its clients need', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const headers = {
    'x-filename': 'acme-app-1.0.0-20260101120000-x86_64-linux.hart',
    'content-disposition': 'attachment; filename="acme-app-1.0.0-20260101120000-x86_64-linux.hart"',
    'content-type': 'application/octet-stream',
    'content-length': String(size),
    'cache-control': 'public, max-age=31536000',
    'accept-ranges': 'bytes',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    etag: tag,
  }
  const places = [
    '/v1/depot',
    '/v1',
    '/v1/depot/views/acceptance',
    '/v1/depot/views/acceptance/depot',
    '/v1/views/acceptance',
  ]
  for (const place of places) {
    const got = await ask(
      `${started.url}${place}/pkgs/acme/app/1.0.0/20260101120000/download?target=x86_64-linux`,
    )
    t.match(got, { status: 200, headers }, place)
    t.ok(got.body.equals(hart.bytes))
  }
  const head = await ask(started.url + path, { method: 'HEAD', headers: { range: 'bytes=0-9' } })
  t.match(head, { status: 200, headers, text: '' }, 'HEAD tells the same, and knows no ranges')
  for (const absent of [
    'acme/app/1.0.0/20260101120001',
    'acme/app/1.0/20260101120000',
    'nobody/app/1.0.0/20260101120000',
    `acme/${'a'.repeat(300)}/1/2`,
    'acme/app/%00/x',
  ]) {
    t.match(
      await ask(`${started.url}/v1/depot/pkgs/${absent}/download`),
      { status: 404, text: '', headers: { 'content-length': '0' } },
      absent,
    )
  }
  t.equal((await ask(`${started.url}${path}?target=x86_64-windows`)).status, 404, 'it is for another target')
  t.match(await ask(`${started.url}${path}?target=vax-vms`), {
    status: 422,
    text: "Invalid package target 'vax-vms'",
  })
})

test('without a target, the target is x86_64-linux or the only one', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [windows, linux, alone] = await publishAll(
    started,
    { ident: 'acme/app/1.0.0/20260101120000', target: 'aarch64-linux' },
    { ident: 'acme/app/1.0.0/20260101120000' },
    { ident: 'acme/win/1.0.0/20260101120000', target: 'x86_64-windows' },
  )
  t.equal((await ask(started.url + path)).headers.etag, `"${linux?.checksum ?? ''}"`)
  t.equal(
    (await ask(`${started.url}${path}?target=aarch64-linux`)).headers.etag,
    `"${windows?.checksum ?? ''}"`,
  )
  t.match((await ask(`${started.url}/v1/depot/pkgs/acme/win/1.0.0/20260101120000/download`)).headers, {
    etag: `"${alone?.checksum ?? ''}"`,
    'x-filename': 'acme-win-1.0.0-20260101120000-x86_64-windows.hart',
  })
})

test('a client with the current tag gets 304', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  for (const known of [tag, `W/${tag}`, '*', `"other", ${tag}`]) {
    const answer = await ask(started.url + path, { headers: { 'if-none-match': known, range: 'bytes=0-9' } })
    t.match(
      answer,
      { status: 304, text: '', headers: { etag: tag, 'cache-control': 'public, max-age=31536000' } },
      known,
    )
  }
  for (const known of ['"other"', hart.checksum, `"${hart.checksum.toUpperCase()}"`]) {
    t.equal((await ask(started.url + path, { headers: { 'if-none-match': known } })).status, 200, known)
  }
})

const RANGES: Readonly<Record<string, readonly [number, number] | 'whole' | 'unsatisfiable'>> = {
  'bytes=0-0': [0, 0],
  'bytes=0-': [0, size - 1],
  'bytes=10-19': [10, 19],
  'Bytes=10-19': [10, 19],
  'bytes=-10': [size - 10, size - 1],
  [`bytes=-${size + 1}`]: [0, size - 1],
  [`bytes=10-${size}`]: [10, size - 1],
  'bytes=10-99999999999999999999999': [10, size - 1],
  [`bytes=${size - 1}-`]: [size - 1, size - 1],
  [`bytes=${size}-`]: 'unsatisfiable',
  'bytes=99999999999999999999999-': 'unsatisfiable',
  'bytes=-0': 'unsatisfiable',
  'bytes=20-10': 'whole',
  'bytes=0-1,5-6': 'whole',
  'bytes=': 'whole',
  'bytes=-': 'whole',
  'bytes=a-b': 'whole',
  'items=0-1': 'whole',
  '51': 'whole',
}

test('ranges of a download are served', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  for (const [range, meant] of Object.entries(RANGES)) {
    await t.test(range, async (s) => {
      const answer = await ask(started.url + path, { headers: { range } })
      if (meant === 'unsatisfiable') {
        s.match(answer, { status: 416, text: '', headers: { 'content-range': `bytes */${size}` } })
        s.notHas(answer.headers, { 'cache-control': '', 'x-filename': '' })
        return
      }
      const [start, end] = meant === 'whole' ? [0, size - 1] : meant
      s.equal(answer.status, meant === 'whole' ? 200 : 206)
      s.equal(
        answer.headers['content-range'],
        meant === 'whole' ? undefined : `bytes ${start}-${end}/${size}`,
      )
      s.ok(answer.body.equals(hart.bytes.subarray(start, end + 1)))
      s.match(answer.headers, { 'content-length': String(end - start + 1), etag: tag })
    })
  }
  for (const [known, status] of [
    [tag, 206],
    [`W/${tag}`, 200],
    ['"other"', 200],
    ['Thu, 01 Jan 2026 00:00:00 GMT', 200],
  ] as const) {
    t.equal(
      (await ask(started.url + path, { headers: { range: 'bytes=0-9', 'if-range': known } })).status,
      status,
      `If-Range: ${known}`,
    )
  }
})

test('a client that leaves during a download leaves no open file', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    files: [{ path: 'large', content: Buffer.alloc(10 * 1024 * 1024, 'x') }],
  })
  const agent = new Agent({ keepAlive: false })
  for (let round = 0; round < 10; round += 1) {
    const request = httpRequest(started.url + path, { agent })
    request.on('error', () => undefined)
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await once(response, 'readable')
    t.ok(await openBlobs(started.folder), 'it is open while it is sent')
    request.destroy()
    await until('no blob is open', async () => (await openBlobs(started.folder)) === 0)
  }
  const whole = await ask(started.url + path)
  t.equal(String(whole.body.length), whole.headers['content-length'])
  await until('no blob is open', async () => (await openBlobs(started.folder)) === 0)
})
