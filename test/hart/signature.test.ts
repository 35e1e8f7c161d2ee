import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { HartDigest } from '../../src/hart/digest.ts'
import type { HartDigests } from '../../src/hart/digest.ts'
import { verifySignature } from '../../src/hart/signature.ts'
import { parsePublicKey } from '../../src/hart/origin-key.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import type { Flaw } from '../support/build-hart.ts'

function fixture(path: string): Buffer {
  return readFileSync(new URL(`../fixtures/${path}`, import.meta.url))
}

function digestOf(bytes: Buffer): HartDigests {
  const digest = new HartDigest()
  digest.update(bytes)
  return digest.finish()
}

const happyhumans = parsePublicKey(fixture('keys/happyhumans-20160424223347.pub').toString())
const { keys } = buildHart()

test('a real package verifies under the key of its signer', (t) => {
  const { header, payloadHash } = digestOf(
    fixture('harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'),
  )
  t.doesNotThrow(() => verifySignature(header, payloadHash, happyhumans))
  t.end()
})

test('a real package whose signature covers another payload is refused', (t) => {
  const { header, payloadHash } = digestOf(
    fixture('harts/unhappyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'),
  )
  t.throws(() => verifySignature(header, payloadHash, happyhumans), {
    code: 'signature_invalid',
    message: /happyhumans-20160424223347 signed other bytes than its payload/,
  })
  t.end()
})

test('a packed file verifies', (t) => {
  const { header, payloadHash } = digestOf(buildHart().bytes)
  t.doesNotThrow(() => verifySignature(header, payloadHash, keys.publicKey))
  t.end()
})

const forged: [Flaw, RegExp][] = [
  ['wrong-signature', /signature was not made by acme-20260101000000/],
  ['signed-by-another', /signature was not made by acme-20260101000000/],
  ['signs-other-bytes', /acme-20260101000000 signed other bytes/],
]

for (const [flaw, why] of forged) {
  test(`a package with the flaw ${flaw} is refused`, (t) => {
    const { header, payloadHash } = digestOf(buildHart({ flaws: [flaw] }).bytes)
    t.throws(() => verifySignature(header, payloadHash, keys.publicKey), {
      code: 'signature_invalid',
      message: why,
    })
    t.end()
  })
}

test('a key of another name is refused, even with the same bytes', (t) => {
  const { header, payloadHash } = digestOf(buildHart().bytes)
  const renamed = { ...keys.publicKey, revision: '20250101000000' }
  t.throws(() => verifySignature(header, payloadHash, renamed), {
    code: 'signature_invalid',
    message: /signed by acme-20260101000000, not by acme-20250101000000/,
  })
  t.end()
})

test('a change of any byte of the signed message is refused', (t) => {
  const { header, payloadHash } = digestOf(buildHart({ keys: makeKeys('acme') }).bytes)
  for (let at = 0; at < header.signedMessage.length; at += 1) {
    const signedMessage = Buffer.from(header.signedMessage)
    signedMessage.writeUInt8(signedMessage.readUInt8(at) ^ 1, at)
    t.throws(() => verifySignature({ ...header, signedMessage }, payloadHash, keys.publicKey), {
      code: 'signature_invalid',
    })
  }
  t.end()
})
