import { test } from 'tap'
import { formatHeader, MAX_HEADER_BYTES, parseHeader } from '../../src/hart/header.ts'

const signer = { origin: 'acme', revision: '20260101000000' }
const signedMessage = Buffer.alloc(128, 7)
const header = formatHeader({ signer, signedMessage })

test('parse reads what format wrote, and returns the start of the payload', (t) => {
  t.strictSame(parseHeader(Buffer.concat([header, Buffer.from('payload')])), {
    signer,
    signedMessage,
    payloadOffset: header.length,
  })
  t.end()
})

test('format writes what parse read', (t) => {
  const parsed = parseHeader(header)
  t.ok(parsed && formatHeader(parsed).equals(header))
  t.end()
})

test('a header is incomplete until its last byte', (t) => {
  for (let length = 0; length < header.length; length += 1)
    t.equal(parseHeader(header.subarray(0, length)), undefined)
  t.end()
})

test('white space around lines is accepted, as in Habitat, and counts into the offset', (t) => {
  const spaced = Buffer.from(header.toString().replaceAll('\n', ' \r\n'))
  t.match(parseHeader(spaced), { signer, payloadOffset: spaced.length })
  t.end()
})

test('the origin in a key name may contain hyphens', (t) => {
  const hyphens = { origin: 'a-b-c', revision: '20260101000000' }
  t.strictSame(parseHeader(formatHeader({ signer: hyphens, signedMessage }))?.signer, hyphens)
  t.end()
})

const forged: [string, string, RegExp][] = [
  ['another format', header.toString().replace('HART-1', 'HART-2'), /starts with "HART-2", not HART-1/],
  ['the start of another file', 'PK', /starts with "PK", not HART-1/],
  [
    'a name that is no key name',
    header.toString().replace('20260101000000', '2026'),
    /"acme-2026" is not the name of a key/,
  ],
  ['another hash', header.toString().replace('BLAKE2b', 'MD5'), /hashed with "MD5"/],
  [
    'a signature that is too short',
    header.toString().replace(/BLAKE2b\n..../, 'BLAKE2b\n'),
    /signature is not 128 bytes/,
  ],
  [
    'a signature with other characters',
    header.toString().replace(/BLAKE2b\n./, 'BLAKE2b\n*'),
    /signature is not 128 bytes/,
  ],
  [
    'a fifth line that is not empty',
    header.toString().replace(/\n\n$/, '\nmore\n'),
    /fifth line of its header is not empty/,
  ],
  ['a line without end', `HART-1\n${'a'.repeat(MAX_HEADER_BYTES)}`, /does not end within 1024 bytes/],
  ['white space without end', ' '.repeat(MAX_HEADER_BYTES), /does not end within 1024 bytes/],
]

for (const [what, text, why] of forged) {
  test(`refuses ${what}`, (t) => {
    t.throws(() => parseHeader(Buffer.from(text)), { code: 'hart_malformed', message: why })
    t.end()
  })
}
