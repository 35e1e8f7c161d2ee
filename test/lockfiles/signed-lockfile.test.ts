import { generateKeyPairSync } from 'node:crypto'
import { test } from 'tap'
import { formatDepotKey, generateDepotKey, parseDepotKey } from '../../src/lockfiles/depot-key.ts'
import { MAX_LOCKFILE_BYTES } from '../../src/lockfiles/lockfile.ts'
import type { Lockfile } from '../../src/lockfiles/lockfile.ts'
import { readLockfile, signLockfile } from '../../src/lockfiles/signed-lockfile.ts'

const LOCKFILE: Lockfile = {
  depot: undefined,
  view: 'delivered',
  revision: 1,
  at: 0,
  ledger: { sequence: 1, hash: '0'.repeat(64) },
  filter: {},
  audience: 'public',
  skipped: 0,
  absent: 0,
  originKeys: [],
  releases: [
    {
      ident: 'acme/app/1.0.0/1',
      target: 'x86_64-linux',
      checksum: 'ab'.repeat(32),
      sizeBytes: 10,
      isDependency: false,
      isPrivate: false,
    },
  ],
}
const ours = generateDepotKey()
const another = generateDepotKey()
const TEXT = signLockfile(LOCKFILE, ours.secretKey)

test('a lockfile signed by a trusted key is read, with the name of the signer', async (t) => {
  t.strictSame(readLockfile(TEXT, [another.publicKey, ours.publicKey]), { ...LOCKFILE, key: ours.publicKey })
  t.equal(signLockfile(LOCKFILE, ours.secretKey), TEXT, 'the same lockfile has the same bytes')
})

test('an untrusted key and a key with a false id are refused', async (t) => {
  t.throws(() => readLockfile(TEXT, [another.publicKey]), {
    code: 'signer_unknown',
    message: new RegExp(ours.publicKey.id),
  })
  t.throws(() => readLockfile(TEXT, []), { code: 'signer_unknown' })
  const forged = signLockfile(LOCKFILE, { ...another.secretKey, id: ours.publicKey.id })
  t.throws(() => readLockfile(forged, [ours.publicKey, another.publicKey]), { code: 'signature_invalid' })
})

test('a changed, added or missing line is refused before it is parsed', async (t) => {
  for (const forged of [
    TEXT.replace('abab', 'abac'),
    TEXT.replace('\nsignature', `\nacme/evil/1.0.0/1 x86_64-linux ${'cd'.repeat(32)} 10\nsignature`),
    TEXT.replace(/^acme.*\n/m, ''),
    TEXT.replace('revision 1', 'revision 2'),
    TEXT.replace('hart-depot-lock 1', 'hart-depot-lock 2'),
    TEXT.replace('acme', 'acm\u00E9'),
  ]) {
    t.not(forged, TEXT)
    t.throws(() => readLockfile(forged, [ours.publicKey]), { code: 'signature_invalid' })
  }
})

test('a truncated file and text after the signature are refused', async (t) => {
  for (let length = 0; length < TEXT.length; length += 1)
    t.throws(
      () => readLockfile(TEXT.slice(0, length), [ours.publicKey]),
      { code: /lockfile_malformed|signer_unknown/ },
      String(length),
    )
  for (const more of ['\n', 'x\n', TEXT])
    t.throws(() => readLockfile(TEXT + more, [ours.publicKey]), {
      code: /lockfile_malformed|signature_invalid/,
    })
  t.throws(() => readLockfile(`hart-depot-lock 1\n${'x'.repeat(MAX_LOCKFILE_BYTES)}`, [ours.publicKey]), {
    code: 'lockfile_malformed',
    message: /more than \d+ bytes/,
  })
})

test('signed text that is not a lockfile is refused', async (t) => {
  const odd = signLockfile({ ...LOCKFILE, view: '../x' }, ours.secretKey)
  t.throws(() => readLockfile(odd, [ours.publicKey]), { code: 'lockfile_malformed', message: /^line 3 / })
})

test('a key file is read as it was written and holds one key under its id', async (t) => {
  const file = formatDepotKey(ours.publicKey)
  t.match(file, /^hart-depot-key 1\n[0-9a-f]{32}\n[A-Za-z0-9+/]{43}=\n$/)
  t.strictSame(parseDepotKey(file), ours.publicKey)
  t.strictSame(parseDepotKey(file.replaceAll('\n', '\r\n')), ours.publicKey, 'as an editor may have left it')
  for (const [wrong, message] of [
    ['', /it starts with ""/],
    ['SIG-PUB-1\nacme-20260101000000\n\nAAAA', /it starts with "SIG-PUB-1"/],
    [file.replace(ours.publicKey.id, another.publicKey.id), /it names the key/],
    [file.replace('=\n', '\n'), /does not contain 32 bytes/],
    [`${file}more\n`, /third and last line/],
    [`${file}${' '.repeat(2_000)}`, /longer than/],
    [
      file.replace(/\n.*=\n$/, `\n${generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }).x}=\n`),
      /it names the key|does not contain/,
    ],
  ] as const) {
    t.throws(() => parseDepotKey(wrong), { code: 'key_malformed', message })
  }
})
