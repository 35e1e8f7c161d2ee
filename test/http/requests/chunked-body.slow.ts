import { test } from 'tap'
import { ChunkedBody } from '../../../src/http/requests/chunked-body.ts'

const NEXT = 'GET /next HTTP/1.1\r\n\r\n'
const BODIES = [
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '00A;name="0"\r\n\r\n0\r\n\r\n\r\n\r\r\n000;last\r\n\r\n',
  '1\r\na\r\n0\r\nTrailer: 0\r\nAnother-which-is-longer: \r\n\r\n',
]

test('the end of a chunked body is found wherever it is split', async (t) => {
  for (const body of BODIES) {
    for (let size = 1; size <= body.length + NEXT.length; size += 1) {
      const chunks = new ChunkedBody()
      const all = Buffer.from(body + NEXT)
      let taken = 0
      for (let at = 0; at < all.length; at += size) {
        const piece = all.subarray(at, at + size)
        const end = chunks.endIn(piece)
        taken += end
        if (end < piece.length || taken === body.length) break
      }
      t.equal(taken, body.length, `${JSON.stringify(body)} by ${size}`)
    }
  }
})

test('the data of chunks is skipped without being read', async (t) => {
  const chunks = new ChunkedBody()
  t.equal(chunks.endIn(Buffer.from('10000\r\n')), 7)
  const blank = Buffer.from('0\r\n\r\n'.repeat(0x10000 / 5 + 1)).subarray(0, 0x10000)
  t.equal(chunks.endIn(blank), blank.length)
  t.equal(chunks.endIn(Buffer.from('\r\n0\r\n\r\n0\r\n\r\n')), 7)
})

test('a malformed body has no end', async (t) => {
  for (const line of ['zz\r\n', '\r\n', '-1\r\n']) {
    const piece = Buffer.from(`${line}0\r\n\r\n`)
    t.equal(new ChunkedBody().endIn(piece), piece.length, JSON.stringify(line))
  }
})
