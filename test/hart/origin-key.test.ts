import { readFileSync } from 'node:fs'
import { test } from 'tap'
import {
  formatKeyName,
  formatPublicKey,
  formatSecretKey,
  generateKeyPair,
  parseKeyName,
  parsePublicKey,
  parseSecretKey,
  publicHalf,
  signWith,
  verifyWith,
} from '../../src/hart/origin-key.ts'

const AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const { publicKey, secretKey } = generateKeyPair('acme', AT)

function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/keys/${name}`, import.meta.url), 'utf8')
}

test('a new key pair is named after its origin and the second of its creation', (t) => {
  t.equal(formatKeyName(publicKey), 'acme-20260102030405')
  t.equal(formatKeyName(secretKey), 'acme-20260102030405')
  t.equal(publicKey.raw.length, 32)
  t.equal(secretKey.raw.length, 64)
  t.end()
})

test('key names are parsed and formatted as inverses, for origins with hyphens too', (t) => {
  for (const name of [
    'acme-20260102030405',
    'a-b-c-20260102030405',
    'a-20260102030405-20260102030406',
    '0_-20260102030405',
  ]) {
    const parsed = parseKeyName(name)
    t.equal(parsed && formatKeyName(parsed), name)
  }
  t.end()
})

test('malformed key names are refused', (t) => {
  const wrong = [
    '',
    'acme',
    'acme-',
    '-20260102030405',
    'acme-2026010203040',
    'acme-202601020304056x',
    'Acme-20260102030405',
    'a/b-20260102030405',
    'acme-20260102030405\n',
    `${'a'.repeat(256)}-20260102030405`,
  ]
  for (const name of wrong) t.equal(parseKeyName(name), undefined, name)
  t.end()
})

test('key files are read as written', (t) => {
  t.strictSame(parsePublicKey(formatPublicKey(publicKey)), publicKey)
  t.strictSame(parseSecretKey(formatSecretKey(secretKey)), secretKey)
  t.end()
})

test('real key files are written as read', (t) => {
  for (const name of ['happyhumans-20160424223347.pub', 'neurosis-20171211220037.pub']) {
    t.equal(formatPublicKey(parsePublicKey(fixture(name))), fixture(name))
    t.equal(`${formatKeyName(parsePublicKey(fixture(name)))}.pub`, name)
  }
  t.end()
})

test('Windows line ends and keys on several lines are accepted', (t) => {
  const text = fixture('neurosis-20171211220037.pub')
  const windows = `${text.replaceAll('\n', '\r\n')}\r\n`
  const folded = text.replace(/.{10}$/, (end) => `\n${end}\n`)
  t.strictSame(parsePublicKey(windows), parsePublicKey(text))
  t.strictSame(parsePublicKey(folded), parsePublicKey(text))
  t.end()
})

test('the public half of a secret key is its public key', (t) => {
  t.strictSame(publicHalf(secretKey), publicKey)
  t.end()
})

test('a signature verifies only under its key and for its message', (t) => {
  const message = Buffer.from('message')
  const signature = signWith(secretKey, message)
  t.equal(signature.length, 64)
  t.equal(verifyWith(publicKey, message, signature), true)
  t.equal(verifyWith(generateKeyPair('acme', AT).publicKey, message, signature), false)
  t.equal(verifyWith(publicKey, Buffer.from('massage'), signature), false)
  t.end()
})

// RFC 8032, 7.1, test 2.
test('signatures follow the standard', (t) => {
  const seed = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex')
  const raw = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex')
  const key = { origin: 'acme', revision: '20260101000000', raw: Buffer.concat([seed, raw]) }
  t.ok(publicHalf(key).raw.equals(raw))
  t.equal(
    signWith(key, Buffer.of(0x72)).toString('hex'),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  )
  t.end()
})

const text = formatPublicKey(publicKey)
const malformed: [string, string, RegExp][] = [
  ['nothing', '', /starts with "", not SIG-PUB-1/],
  ['a secret key', formatSecretKey(secretKey), /starts with "SIG-SEC-1", not SIG-PUB-1/],
  ['a key of another kind', text.replace('SIG', 'BOX'), /starts with "BOX-PUB-1"/],
  ['a name without a revision', text.replace('-20260102030405', ''), /"acme" is not the name of a key/],
  ['a name with a path', text.replace('acme', '../acme'), /is not the name of a key/],
  ['no key', text.slice(0, text.lastIndexOf('\n')), /does not contain 32 bytes/],
  ['a key that is too short', text.replace(/.{4}$/, ''), /does not contain 32 bytes/],
  ['a key with more after it', `${text}AAAA`, /does not contain 32 bytes/],
  ['a key in another alphabet', text.replace(/.{4}$/, '-_-='), /does not contain 32 bytes/],
  ['a file without end', text + '\n'.repeat(5000), /longer than 4096/],
]

for (const [what, file, why] of malformed) {
  test(`${what} is refused as a public key`, (t) => {
    t.throws(() => parsePublicKey(file), { code: 'key_malformed', message: why })
    t.end()
  })
}

test('a secret key whose halves do not match is refused', (t) => {
  const raw = Buffer.concat([secretKey.raw.subarray(0, 32), generateKeyPair('acme', AT).publicKey.raw])
  t.throws(() => parseSecretKey(formatSecretKey({ ...secretKey, raw })), {
    code: 'secret_key_malformed',
    message: /does not belong to the public key/,
  })
  t.end()
})
