import { test } from 'tap'
import { DepotError } from '../../src/errors.ts'
import { formatLockfile, parseLockfile } from '../../src/lockfiles/lockfile.ts'
import type { LockedRelease, Lockfile } from '../../src/lockfiles/lockfile.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { makeKeys } from '../support/build-hart.ts'

const AT = Date.parse('2026-01-05T00:00:00.007Z')
const SUM = 'ab'.repeat(32)

function release(ident: string, more: Partial<LockedRelease> = {}): LockedRelease {
  return {
    ident,
    target: 'x86_64-linux',
    checksum: SUM,
    sizeBytes: 10,
    isDependency: false,
    isPrivate: false,
    ...more,
  }
}

const originKeys = ['acme', 'tools'].map((origin) => ({
  name: `${origin}-20260101000000`,
  text: `${formatPublicKey(makeKeys(origin).publicKey)}\n`,
}))
const LOCKFILE: Lockfile = {
  depot: 'https://depot.example',
  view: 'delivered',
  revision: 34,
  at: AT,
  ledger: { sequence: 812, hash: 'c0'.repeat(32) },
  filter: { origin: 'acme', target: 'x86_64-linux' },
  audience: 'everyone',
  skipped: 1,
  absent: 2,
  originKeys,
  releases: [
    release('acme/app-x/1.0.0/1', { isPrivate: true }),
    release('acme/app/1.0.0/1'),
    release('acme/app/1.0.0/1', { target: 'x86_64-windows' }),
    release('acme/lib/1.0.0/1', { isDependency: true }),
    release('tools/make/1.0.0/1', { isDependency: true, isPrivate: true, sizeBytes: 0 }),
  ],
}
const TEXT = formatLockfile(LOCKFILE)

test('a lockfile is read as it was written, in any order of releases and keys', async (t) => {
  t.strictSame(parseLockfile(TEXT), LOCKFILE)
  t.equal(
    formatLockfile({
      ...LOCKFILE,
      releases: LOCKFILE.releases.toReversed(),
      originKeys: originKeys.toReversed(),
    }),
    TEXT,
  )
  const bare: Lockfile = {
    ...LOCKFILE,
    depot: undefined,
    revision: 0,
    filter: {},
    originKeys: [],
    releases: [],
  }
  t.strictSame(parseLockfile(formatLockfile(bare)), bare)
  for (const filter of [
    { origin: 'acme' },
    { name: 'app' },
    { origin: 'acme', name: 'app', target: 'aarch64-linux' },
  ] as const) {
    t.strictSame(parseLockfile(formatLockfile({ ...LOCKFILE, filter })).filter, filter)
  }
})

test('the text of a lockfile is sorted and line-based', async (t) => {
  t.equal(
    TEXT.replaceAll(/ [A-Za-z0-9+/=]{80,}$/gm, ' BASE64').replaceAll(SUM, 'SUM'),
    `hart-depot-lock 1
depot https://depot.example
view delivered
revision 34
at 2026-01-05T00:00:00.007Z
ledger 812 ${'c0'.repeat(32)}
filter origin=acme target=x86_64-linux
audience everyone
skipped 1
absent 2
origin-key acme-20260101000000 BASE64
origin-key tools-20260101000000 BASE64

acme/app-x/1.0.0/1 x86_64-linux SUM 10 private
acme/app/1.0.0/1 x86_64-linux SUM 10
acme/app/1.0.0/1 x86_64-windows SUM 10
acme/lib/1.0.0/1 x86_64-linux SUM 10 dependency
tools/make/1.0.0/1 x86_64-linux SUM 0 dependency private
`,
  )
})

const FLAWS: Readonly<Record<string, readonly [(text: string) => string, RegExp]>> = {
  'another version': [
    (text) => text.replace('lock 1', 'lock 2'),
    /^line 1 .*starts with "hart-depot-lock 1"/,
  ],
  'a header left out': [(text) => text.replace(/^at .*\n/m, ''), /^line 5 .*"at" is expected, not "ledger /],
  'a header that is unknown': [
    (text) => text.replace('\nskipped', '\nmood good\nskipped'),
    /^line 9 .*"skipped" is expected, not "mood good"/,
  ],
  'two headers in another order': [(text) => text.replace(/(skipped 1)\n(absent 2)/, '$2\n$1'), /^line 9 /],
  'a malformed view': [
    (text) => text.replace('view delivered', 'view ../etc'),
    /^line 3 .*is not a view's name/,
  ],
  'a depot that is no URL': [
    (text) => text.replace('depot https:', 'depot ftp:'),
    /^line 2 .*is not the URL of a depot/,
  ],
  'a number with a zero before it': [
    (text) => text.replace('revision 34', 'revision 034'),
    /^line 4 .*"034" is not a number/,
  ],
  'a malformed day': [(text) => text.replace('2026-01-05', '2026-02-30'), /^line 5 .*is not a time/],
  'a time of another zone': [(text) => text.replace('007Z', '007+01:00'), /^line 5 .*is not a time/],
  'half a ledger': [
    (text) => text.replace(/^ledger .*$/m, 'ledger 812'),
    /^line 6 .*is not the sequence and the hash/,
  ],
  'a filter of another order': [
    (text) => text.replace(/^filter .*$/m, 'filter target=x86_64-linux origin=acme'),
    /^line 7 .*is not a filter/,
  ],
  'a filter by something else': [
    (text) => text.replace(/^filter .*$/m, 'filter colour=red'),
    /^line 7 .*is not a filter/,
  ],
  'a malformed audience': [(text) => text.replace('audience everyone', 'audience nobody'), /^line 8 /],
  'a key under the name of another': [
    (text) => text.replace('origin-key acme-20260101000000', 'origin-key acme-20260101000001'),
    /^line 11 .*is the key acme-20260101000000/,
  ],
  'a malformed key': [
    (text) => text.replace(/(origin-key acme-\d+) .*/, '$1 AAAA'),
    /^line 11 .*not a key file/,
  ],
  'keys in another order': [
    (text) => text.replace(/(origin-key acme.*)\n(origin-key tools.*)/, '$2\n$1'),
    /^line 12 .*in the order of their bytes/,
  ],
  'no empty line': [(text) => text.replace('\n\n', '\n'), /^line 13 .*an origin-key line, or the empty line/],
  'a path as an ident': [
    (text) => text.replace('acme/app/1.0.0/1 x86_64-linux', 'acme/app/../1 x86_64-linux'),
    /^line 15 .*its version ".."/,
  ],
  'an ident of five parts': [
    (text) => text.replace('acme/app/1.0.0/1 x86_64-linux', 'acme/app/1.0.0/1/2 x86_64-linux'),
    /^line 15 .*is not an ident/,
  ],
  'a malformed target': [(text) => text.replace('x86_64-windows', 'vax-vms'), /^line 16 .*is not a target/],
  'a checksum in capitals': [
    (text) => text.replace(SUM, SUM.toUpperCase()),
    /^line 14 .*is not a BLAKE2b-256/,
  ],
  'a malformed size': [(text) => text.replace(`${SUM} 0`, `${SUM} -1`), /^line 18 .*"-1" is not a number/],
  'a mark that is unknown': [
    (text) => text.replace('10 dependency', '10 optional'),
    /^line 17 .*a release line has an ident, target/,
  ],
  'marks in another order': [
    (text) => text.replace('dependency private', 'private dependency'),
    /^line 18 .*a release line has an ident, target/,
  ],
  'two spaces': [(text) => text.replace(' x86_64-windows', '  x86_64-windows'), /^line 16 /],
  'another end of lines': [(text) => text.replaceAll('\n', '\r\n'), /^line 1 /],
  'releases in another order': [
    (text) => text.replace(/(.*windows.*)\n(.*lib.*dependency)/, '$2\n$1'),
    /^line 17 .*the answers of latest come before their dependencies/,
  ],
  'pointers in another order': [
    (text) => text.replace(/(.*app-x.*)\n(.*app\/.*)/, '$2\n$1'),
    /^line 15 .*in the order of their bytes/,
  ],
  'a line twice': [
    (text) => text.replace(/^(acme\/lib.*)$/m, '$1\n$1'),
    /^line 18 .*in the order of their bytes/,
  ],
  'a release twice, with other bytes': [
    (text) => text.replace(/^(acme\/lib.*)(10 dependency)$/m, '$110 dependency\n$111 dependency'),
    /^line 18 .*acme\/lib\/1.0.0\/1 for x86_64-linux is listed twice/,
  ],
  'a pointer that is a dependency, too': [
    (text) => text.replace(/^(acme\/lib.*)$/m, `acme/app/1.0.0/1 x86_64-linux ${SUM} 10 dependency\n$1`),
    /^line 17 .*is listed twice/,
  ],
  'two answers of one latest': [
    (text) =>
      text.replace(/^(acme\/app\/.* x86_64-linux.*)$/m, `$1\nacme/app/1.0.0/2 x86_64-linux ${SUM} 10`),
    /^line 16 .*latest of acme\/app for x86_64-linux has two answers/,
  ],
  'a last line that is cut off': [(text) => text.slice(0, -3), /is cut off here/],
  'headers alone': [(text) => text.slice(0, text.indexOf('\n\n') + 1), /is cut off here/],
  nothing: [() => '', /^line 1 /],
  'an empty line at the end': [(text) => `${text}\n`, /^line 19 /],
}

for (const [flaw, [damage, message]] of Object.entries(FLAWS)) {
  test(`a lockfile is refused: ${flaw}`, async (t) => {
    const damaged = damage(TEXT)
    t.not(damaged, TEXT)
    t.throws(() => parseLockfile(damaged), { code: 'lockfile_malformed', message })
  })
}

test('lines beyond the limit are not read', async (t) => {
  t.throws(() => parseLockfile('\n'.repeat(200_000)), {
    code: 'lockfile_malformed',
    message: /more than \d+ lines/,
  })
})

test('a change of any byte is refused or changes the result', async (t) => {
  for (let at = 0; at < TEXT.length; at += 7) {
    const damaged = `${TEXT.slice(0, at)}${TEXT[at] === 'x' ? 'y' : 'x'}${TEXT.slice(at + 1)}`
    try {
      t.not(formatLockfile(parseLockfile(damaged)), TEXT)
      t.equal(formatLockfile(parseLockfile(damaged)), damaged, 'an accepted text is formatted unchanged')
    } catch (error) {
      t.match(error, { code: 'lockfile_malformed' })
      t.ok(error instanceof DepotError)
    }
  }
})
