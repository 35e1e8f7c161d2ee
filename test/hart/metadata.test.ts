import { test } from 'tap'
import { parseMetadata } from '../../src/hart/metadata.ts'
import type { HartMetadata, Metafile } from '../../src/hart/metadata.ts'

const FOLDER = 'acme/app/1.0.0/20260101120000'

function parse(metafiles: Partial<Record<Metafile, string | Buffer | undefined>>): HartMetadata {
  const all = { IDENT: `${FOLDER}\n`, TARGET: 'x86_64-linux\n', MANIFEST: '# acme / app\n', ...metafiles }
  const contents = new Map<Metafile, Buffer>()
  for (const [name, content] of Object.entries(all))
    if (content !== undefined) contents.set(name as Metafile, Buffer.from(content))
  return parseMetadata(contents, FOLDER)
}

function names(idents: HartMetadata['deps']): string {
  return idents.map((ident) => ident.name).join(' ')
}

test('absent metafiles are empty, and the default package type is standard', (t) => {
  t.strictSame(parse({}), {
    ident: { origin: 'acme', name: 'app', version: '1.0.0', release: '20260101120000' },
    target: 'x86_64-linux',
    manifest: '# acme / app\n',
    config: undefined,
    deps: [],
    tdeps: [],
    buildDeps: [],
    buildTdeps: [],
    exposes: [],
    packageType: 'standard',
    svcUser: undefined,
    svcGroup: undefined,
  })
  t.end()
})

test('every metafile is read, with Windows line ends', (t) => {
  const metadata = parse({
    TARGET: 'x86_64-windows\r\n',
    DEPS: 'core/a/1/20200101000000\r\n',
    TDEPS: 'core/a/1/20200101000000\r\ncore/b/2/20200101000000\r\n',
    BUILD_DEPS: 'core/c/3/20200101000000',
    BUILD_TDEPS: 'core/d/4/20200101000000\n',
    EXPOSES: '80 443\n',
    'default.toml': 'port = 80\n',
    PACKAGE_TYPE: 'native\n',
    SVC_USER: 'hab\r\n',
    SVC_GROUP: 'grüp\n',
  })
  t.equal(metadata.target, 'x86_64-windows')
  t.equal(names(metadata.deps), 'a')
  t.equal(names(metadata.tdeps), 'a b')
  t.equal(names(metadata.buildDeps), 'c')
  t.equal(names(metadata.buildTdeps), 'd')
  t.match(metadata, {
    exposes: [80, 443],
    config: 'port = 80\n',
    packageType: 'native',
    svcUser: 'hab',
    svcGroup: 'grüp',
  })
  t.end()
})

test('malformed ports are ignored', (t) => {
  t.strictSame(
    parse({ EXPOSES: ' 0  80\n65535 65536 http -1 8080/tcp 99999999999999999999\t443 ' }).exposes,
    [0, 80, 65535, 443],
  )
  t.strictSame(parse({ EXPOSES: '\n' }).exposes, [])
  t.end()
})

test('a blank service user counts as none', (t) => {
  t.equal(parse({ SVC_USER: '\n' }).svcUser, undefined)
  t.end()
})

const malformed: [string, Partial<Record<Metafile, string | Buffer | undefined>>, RegExp][] = [
  ['without IDENT', { IDENT: undefined }, /metafile IDENT is malformed: it is not in the archive/],
  ['without TARGET', { TARGET: undefined }, /metafile TARGET is malformed: it is not in the archive/],
  ['without MANIFEST', { MANIFEST: undefined }, /metafile MANIFEST is malformed: it is not in the archive/],
  [
    'whose IDENT is of another folder',
    { IDENT: `${FOLDER}1` },
    /metafile IDENT .* names "acme.*1", but the package is in the folder of "acme/,
  ],
  ['whose IDENT is half an ident', { IDENT: 'acme/app' }, /metafile IDENT .*"acme\/app" is not an ident/],
  ['whose IDENT is two', { IDENT: `${FOLDER}\n${FOLDER}` }, /metafile IDENT /],
  ['whose DEPS are there and empty', { DEPS: '' }, /metafile DEPS .*"" is not an ident/],
  ['whose TDEPS are a blank line', { TDEPS: '\n' }, /metafile TDEPS /],
  [
    'whose DEPS are not fully qualified',
    { DEPS: 'core/glibc\n' },
    /metafile DEPS .*"core\/glibc" is not an ident/,
  ],
  ['whose BUILD_DEPS lack a release', { BUILD_DEPS: 'core/glibc/2.27\n' }, /metafile BUILD_DEPS /],
  ['whose BUILD_TDEPS have a gap', { BUILD_TDEPS: 'core/a/1/2\n\ncore/b/1/2\n' }, /metafile BUILD_TDEPS /],
  ['of a type that there is no more', { PACKAGE_TYPE: 'composite\n' }, /metafile PACKAGE_TYPE .*"composite"/],
  ['of an empty type', { PACKAGE_TYPE: '\n' }, /metafile PACKAGE_TYPE /],
  [
    'whose MANIFEST is not UTF-8',
    { MANIFEST: Buffer.from('caf\xe9', 'latin1') },
    /metafile MANIFEST .* not UTF-8/,
  ],
  [
    'whose default.toml is cut within a character',
    { 'default.toml': Buffer.from('é').subarray(0, 1) },
    /metafile default.toml .* not UTF-8/,
  ],
  ['whose default.toml holds a NUL', { 'default.toml': 'a\0b' }, /metafile default.toml .* contains a NUL/],
]

for (const [what, metafiles, why] of malformed) {
  test(`a package ${what} is refused`, (t) => {
    t.throws(() => parse(metafiles), { code: 'hart_malformed', message: why })
    t.end()
  })
}

test('an unknown target is refused with its own code', (t) => {
  t.throws(() => parse({ TARGET: 'vax-vms\n' }), { code: 'target_malformed', message: /"vax-vms"/ })
  t.end()
})
