import { test } from 'tap'
import { PackagePaths } from '../../src/hart/package-paths.ts'
import type { TarEntry } from '../../src/hart/tar.ts'

const FOLDER = 'hab/pkgs/acme/app/1.0.0/20260101120000'

function entry(path: string, rest: Partial<TarEntry> = {}): TarEntry {
  return { path, type: path.endsWith('/') ? 'folder' : 'file', sizeBytes: 0, link: '', ...rest }
}

test("paths are relative to the package's folder, with or without a leading slash and under /opt", (t) => {
  for (const folder of [FOLDER, `/${FOLDER}`, `opt/${FOLDER}`, `/opt/${FOLDER}`]) {
    const paths = new PackagePaths()
    t.equal(paths.enter(entry(`${folder}/`)), undefined)
    t.equal(paths.enter(entry(`${folder}/IDENT`)), 'IDENT')
    t.equal(paths.enter(entry(`${folder}/bin/app`)), 'bin/app')
    t.equal(paths.ident, 'acme/app/1.0.0/20260101120000')
  }
  t.end()
})

test('the folders above the package are accepted, as Windows packages list them', (t) => {
  const paths = new PackagePaths()
  for (const folder of ['hab/', 'hab/pkgs/', 'hab/pkgs/acme/', 'hab/pkgs/acme/app/'])
    t.equal(paths.enter(entry(folder)), undefined)
  t.equal(paths.ident, undefined)
  t.end()
})

test('symbolic links may point anywhere, and hard links within the package', (t) => {
  const paths = new PackagePaths()
  paths.enter(entry(`${FOLDER}/lib/a.so.1`))
  t.equal(paths.enter(entry(`${FOLDER}/lib/a.so`, { type: 'symlink', link: 'a.so.1' })), 'lib/a.so')
  t.equal(paths.enter(entry(`${FOLDER}/etc`, { type: 'symlink', link: '/etc' })), 'etc')
  t.equal(paths.enter(entry(`${FOLDER}/up`, { type: 'symlink', link: '../../../../../..' })), 'up')
  t.equal(
    paths.enter(entry(`${FOLDER}/lib/b.so`, { type: 'hardlink', link: `${FOLDER}/lib/a.so.1` })),
    'lib/b.so',
  )
  t.end()
})

test('backslashes in names are accepted', (t) => {
  const paths = new PackagePaths()
  t.equal(paths.enter(entry(`${FOLDER}/lib/a\\x2db..service`)), 'lib/a\\x2db..service')
  t.end()
})

test('the paths of a list of files are found', (t) => {
  const paths = new PackagePaths()
  paths.enter(entry(`${FOLDER}/IDENT`))
  t.equal(paths.below(`/${FOLDER}/DEPS`), 'DEPS')
  t.equal(paths.below('/hab/pkgs/acme/app/1.0.0/20260101999999/DEPS'), undefined)
  t.end()
})

const refused: [string, TarEntry[], RegExp][] = [
  ['a path that leaves the package', [entry(`${FOLDER}/../../x`)], /has the forbidden part ".."/],
  ['a path that only seems to leave it', [entry(`${FOLDER}/a/../b`)], /has the forbidden part ".."/],
  ['an absolute path elsewhere', [entry('/etc/passwd')], /"etc\/passwd" in its archive is outside/],
  ['a relative path elsewhere', [entry('etc/passwd')], /outside of the folder of a package/],
  ['a path from the present folder', [entry(`./${FOLDER}/IDENT`)], /has the forbidden part "."/],
  ['an empty part', [entry(`${FOLDER}//IDENT`)], /has the forbidden part ""/],
  ['an empty path', [entry('')], /has the forbidden part ""/],
  ['two slashes before it', [entry(`//${FOLDER}/IDENT`)], /has the forbidden part ""/],
  [
    'a file of another package',
    [entry(`${FOLDER}/a`), entry(`${FOLDER}1/a`)],
    /outside of the folder of a package/,
  ],
  ['another folder of packages', [entry('hab/svc/app/config')], /outside of the folder of a package/],
  [
    'a file in place of a folder above the package',
    [entry('hab/pkgs/acme')],
    /outside of the folder of a package/,
  ],
  [
    'a link in place of the folder of the package',
    [entry(FOLDER, { type: 'symlink', link: '/etc' })],
    /outside of the folder of a package/,
  ],
  ['a device', [entry(`${FOLDER}/null`, { type: 'device' })], /is a device/],
  [
    'a hard link out of the package',
    [entry(`${FOLDER}/x`, { type: 'hardlink', link: 'etc/shadow' })],
    /outside/,
  ],
  [
    "a hard link to the package's folder",
    [entry(`${FOLDER}/x`, { type: 'hardlink', link: FOLDER })],
    /"[^"]*x" in its archive is a link to "[^"]*", outside of the package/,
  ],
  [
    'a hard link upwards',
    [entry(`${FOLDER}/x`, { type: 'hardlink', link: `${FOLDER}/../x` })],
    /has the forbidden part ".."/,
  ],
  [
    'a file below a symbolic link',
    [entry(`${FOLDER}/etc`, { type: 'symlink', link: '/etc' }), entry(`${FOLDER}/etc/cron.d/x`)],
    /lies below the symbolic link "etc"/,
  ],
  [
    'a hard link to a file below a symbolic link',
    [
      entry(`${FOLDER}/a`, { type: 'symlink', link: '/etc' }),
      entry(`${FOLDER}/b`, { type: 'hardlink', link: `${FOLDER}/a/shadow` }),
    ],
    /lies below the symbolic link "a"/,
  ],
  [
    'a file below a hard link to a symbolic link',
    [
      entry(`${FOLDER}/a`, { type: 'symlink', link: '/etc' }),
      entry(`${FOLDER}/b`, { type: 'hardlink', link: `${FOLDER}/a` }),
      entry(`${FOLDER}/b/passwd`),
    ],
    /lies below the symbolic link "b"/,
  ],
  [
    'a path that leaves the package on Windows',
    [entry(`${FOLDER}/..\\..\\x`)],
    /has the forbidden part "\.\./,
  ],
  [
    'a file below a symbolic link on Windows',
    [entry(`${FOLDER}/etc`, { type: 'symlink', link: '/etc' }), entry(`${FOLDER}/etc\\x`)],
    /lies below the symbolic link "etc"/,
  ],
]

for (const [what, entries, why] of refused) {
  test(`refuses ${what}`, (t) => {
    const paths = new PackagePaths()
    t.throws(() => entries.forEach((each) => paths.enter(each)), { code: 'hart_malformed', message: why })
    t.end()
  })
}

test('too many symbolic links are refused', (t) => {
  const paths = new PackagePaths()
  const name = 'n'.repeat(4000)
  const fill = (): void => {
    for (let i = 0; i < 5000; i += 1)
      paths.enter(entry(`${FOLDER}/${i}${name}`, { type: 'symlink', link: 'x' }))
  }
  t.throws(fill, { code: 'hart_malformed', message: /too many symbolic links/ })
  t.end()
})
