import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { HartDigest } from '../../src/hart/digest.ts'
import type { HartDigests } from '../../src/hart/digest.ts'

const possums = readFileSync(
  new URL('../fixtures/harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart', import.meta.url),
)

function digestOf(bytes: Buffer, chunkBytes: number): HartDigests {
  const digest = new HartDigest()
  for (let at = 0; at < bytes.length; at += chunkBytes) digest.update(bytes.subarray(at, at + chunkBytes))
  return digest.finish()
}

test('a real package has the published hashes', (t) => {
  const { header, ...rest } = digestOf(possums, possums.length)
  t.strictSame(rest, {
    checksum: '74d368d3642721b5045929845f6a1146fad50c7ecab7ab547603965e45a29a82',
    payloadHash: '0f2c5f4de145c7f78601caae9c7b8767098413d05739de913c012922b7eed760',
    sizeBytes: 1156,
  })
  t.strictSame(header.signer, { origin: 'happyhumans', revision: '20160424223347' })
  t.equal(header.payloadOffset, 1156 - 940)
  t.end()
})

test('the split of the bytes does not matter', (t) => {
  const whole = digestOf(possums, possums.length)
  for (const chunkBytes of [1, 2, 7, 215, 216, 217, 1024])
    t.strictSame(digestOf(possums, chunkBytes), whole, `${chunkBytes} at a time`)
  t.end()
})

test('the header is known as soon as its last byte has passed', (t) => {
  const digest = new HartDigest()
  digest.update(possums.subarray(0, 215))
  t.equal(digest.header, undefined)
  digest.update(possums.subarray(215, 216))
  t.equal(digest.header?.signer.origin, 'happyhumans')
  t.end()
})

test('a file that cannot be a hart is refused at its first byte', (t) => {
  const digest = new HartDigest()
  t.throws(() => digest.update(Buffer.from('P')), { code: 'hart_malformed' })
  t.end()
})

test('a file that ends within or after its header is refused', (t) => {
  for (let length = 0; length < 216; length += 1) {
    t.throws(() => digestOf(possums.subarray(0, length), 64), {
      code: 'hart_malformed',
      message: /ends within its header/,
    })
  }
  t.throws(() => digestOf(possums.subarray(0, 216), 64), {
    code: 'hart_malformed',
    message: /nothing follows its header/,
  })
  t.end()
})

test('an endless header line is refused at the limit', (t) => {
  const digest = new HartDigest()
  digest.update(Buffer.from('HART-1\n'))
  const fill = (): void => {
    for (let sent = 0; sent < 2048; sent += 1) digest.update(Buffer.from('a'))
  }
  t.throws(fill, { code: 'hart_malformed', message: /does not end within 1024 bytes/ })
  t.end()
})
