import { test } from 'tap'
import { ask } from '../../support/ask.ts'
import { buildHart } from '../../support/build-hart.ts'
import { bearer, makeOrigin, uploadPath } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'

// Uploads as forms, which only habitat-client sends (habitat-2016.md 8.1).

const hart = buildHart()
const FORM = 'multipart/form-data; boundary=xyz'

function part(disposition: string, content: Buffer | string, more = ''): Buffer {
  return Buffer.concat([
    Buffer.from(`--xyz\r\nContent-Disposition: ${disposition}\r\n${more}\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
}

const END = Buffer.from('--xyz--\r\n')
const FILE = part(
  'form-data; name="file"; filename="app.hart"',
  hart.bytes,
  'Content-Type: application/octet-stream\r\n',
)

const TAKEN: Readonly<Record<string, readonly Buffer[]>> = {
  'the file alone': [FILE, END],
  'a preamble and an epilogue': [Buffer.from('ignore me\r\n'), FILE, END, Buffer.from('and me')],
  'fields before it': [part('form-data; name="note"', 'hello'), FILE, END],
  'fields after it': [FILE, part('form-data; name="note"', 'hello'), END],
  'another file after it': [FILE, part('form-data; name="more"; filename="b"', 'x'.repeat(200_000)), END],
  'a file name that leads elsewhere': [
    part('form-data; name="file"; filename="../../../etc/passwd"', hart.bytes),
    END,
  ],
}

test('the file of a form is published, whatever surrounds it', async (t) => {
  for (const [what, pieces] of Object.entries(TAKEN)) {
    await t.test(what, async (s) => {
      const started = await startDepot(s, { listen: true })
      await makeOrigin(started)
      const body = Buffer.concat(pieces)
      const answer = await ask(started.url + uploadPath(hart), {
        method: 'POST',
        headers: { ...bearer(), 'content-type': FORM },
        body,
      })
      s.match(answer, { status: 200, text: '/pkgs/acme/app/1.0.0/20260101120000/download' })
      s.match(await traces(started.depot), {
        files: [`${hart.checksum.slice(0, 2)}/${hart.checksum}`],
        rows: { releases: 1 },
      })
    })
  }
})

const REFUSED: Readonly<
  Record<string, { pieces: readonly Buffer[]; type?: string; status: number; code: string }>
> = {
  'no file': { pieces: [part('form-data; name="note"', 'hello'), END], status: 400, code: 'invalid_request' },
  'nothing in it': { pieces: [END], status: 400, code: 'invalid_request' },
  'no body': { pieces: [], status: 400, code: 'invalid_request' },
  'a file of another name': {
    pieces: [part('form-data; name="upload"; filename="app.hart"', hart.bytes), END],
    status: 400,
    code: 'invalid_request',
  },
  'a large file of another name': {
    pieces: [part('form-data; name="upload"; filename="app.hart"', Buffer.alloc(4_000_000)), END],
    status: 400,
    code: 'invalid_request',
  },
  'a name that is dear to JavaScript': {
    pieces: [part('form-data; name="__proto__"; filename="app.hart"', hart.bytes), END],
    status: 400,
    code: 'invalid_request',
  },
  'no boundary': { pieces: [FILE, END], type: 'multipart/form-data', status: 400, code: 'invalid_request' },
  'another boundary': {
    pieces: [FILE, END],
    type: 'multipart/form-data; boundary=abc',
    status: 400,
    code: 'invalid_request',
  },
  'no end': { pieces: [FILE.subarray(0, -100)], status: 400, code: 'length_mismatch' },
  'a file that is no package': {
    pieces: [part('form-data; name="file"; filename="a"', 'PK'.repeat(2_000_000)), END],
    status: 422,
    code: 'hart_malformed',
  },
}

test('a malformed form is refused', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const before = await traces(started.depot)
  for (const [what, { pieces, type = FORM, status, code }] of Object.entries(REFUSED)) {
    await t.test(what, async (s) => {
      const answer = await ask(started.url + uploadPath(hart), {
        method: 'POST',
        headers: { ...bearer(), 'content-type': type },
        body: Buffer.concat(pieces),
      })
      s.equal(answer.status, status)
      s.match(
        started.logged.findLast((line) => line['refusal'] !== undefined)?.['refusal'],
        new RegExp(`^${code}: `),
      )
      s.same(await traces(started.depot), before)
    })
  }
  t.notOk(
    started.logged.some((line) => line['level'] === 'error' || line['level'] === 'fatal'),
    'none is logged as an error',
  )
})
