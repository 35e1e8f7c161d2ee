import { test } from 'tap'
import {
  describeRelease,
  formatIdent,
  formatPackageName,
  hartFileName,
  isOriginName,
  lineKey,
  lineOf,
  makeIdent,
  makePackageName,
  originOf,
  packageOf,
  parseIdent,
  releaseKey,
  releaseName,
} from '../../src/package/ident.ts'

const REAL = [
  'acme/app/1.2.0/20260101120000',
  'neurosis/neurosis/2.0/20190618173321',
  'neurosis/oddversion1/R16B02-5/20190510185527',
  'core/cacerts/2017.01.17/20170209064044',
  'a/A_-9/1.0~rc1+build:5@x/1',
  '0/0/0/0',
]

test('formatting a parsed ident gives the same text', (t) => {
  for (const text of REAL) t.equal(formatIdent(parseIdent(text)), text)
  t.end()
})

test('an ident can be made from its parts', (t) => {
  const parts = { origin: 'acme', name: 'app', version: '1.2.0', release: '20260101120000' }
  t.strictSame(makeIdent(parts), parts)
  t.equal(formatPackageName(makePackageName(parts)), 'acme/app')
  t.end()
})

test('the file name is the one that hab uses', (t) => {
  t.equal(
    hartFileName(parseIdent(REAL[0] ?? ''), 'x86_64-linux'),
    'acme-app-1.2.0-20260101120000-x86_64-linux.hart',
  )
  t.end()
})

const malformed: [string, RegExp][] = [
  ['', /four parts/],
  ['acme/app', /four parts/],
  ['acme/app/1.0', /four parts/],
  ['acme/app/1.0/1/1', /four parts/],
  ['acme//1.0/1', /its name ""/],
  ['/app/1.0/1', /its origin ""/],
  ['acme/app//1', /its version ""/],
  ['acme/app/1.0/', /its release ""/],
  ['Acme/app/1.0/1', /its origin "Acme"/],
  ['-acme/app/1.0/1', /its origin "-acme"/],
  ['acme/a.b/1.0/1', /its name "a.b"/],
  ['acme/äpp/1.0/1', /its name "äpp"/],
  ['acme/app/../1', /its version ".."/],
  ['acme/app/1.0/.', /its release "."/],
  ['acme/app/1 0/1', /its version "1 0"/],
  ['acme/app/1.0/1\n', /its release "1\\n"/],
  ['acme/app/1%2f0/1', /its version/],
  ['acme/app/1\0/1', /its version/],
  [`acme/${'a'.repeat(256)}/1.0/1`, /its name/],
  [`${'a'.repeat(256)}/app/1.0/1`, /its origin/],
  [`acme/app/${'1'.repeat(256)}/1`, /its version/],
]

for (const [text, why] of malformed) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))} and names the invalid part`, (t) => {
    t.throws(() => parseIdent(text), { code: 'ident_malformed', message: why })
    t.end()
  })
}

test('the name of an origin starts with a lowercase letter or a digit', (t) => {
  for (const name of ['acme', '0', 'a_b-c']) t.equal(isOriginName(name), true, name)
  for (const name of ['', 'A', '_a', '-a', 'a.b', 'a b', 'é', 'a\n', 'a'.repeat(256)])
    t.equal(isOriginName(name), false, name)
  t.end()
})

test('releases and lines have the same keys as parts and as text', (t) => {
  const release = { ident: parseIdent('acme/app/1.2.0/20260101120000'), target: 'x86_64-linux' as const }
  const name = releaseName(release)
  t.strictSame(name, { ident: 'acme/app/1.2.0/20260101120000', target: 'x86_64-linux' })
  for (const either of [release, name]) {
    t.equal(releaseKey(either), 'acme/app/1.2.0/20260101120000 x86_64-linux')
    t.equal(lineOf(either), 'acme/app x86_64-linux')
    t.equal(describeRelease(either), 'acme/app/1.2.0/20260101120000 (x86_64-linux)')
  }
  t.equal(lineKey({ package: packageOf(name.ident), target: name.target }), lineOf(name))
  t.strictSame([originOf(name.ident), originOf('acme/app')], ['acme', 'acme'])
  t.end()
})
