import { test } from 'tap'
import { MetafileCollector } from '../../src/hart/metafile-collector.ts'
import { METAFILES } from '../../src/hart/metadata.ts'
import type { TarEntryType } from '../../src/hart/tar.ts'

const FOLDER = 'hab/pkgs/acme/app/1.0.0/20260101120000'
const REQUIRED = {
  IDENT: 'acme/app/1.0.0/20260101120000\n',
  TARGET: 'x86_64-linux\n',
  MANIFEST: '# acme / app\n',
}

function put(collector: MetafileCollector, name: string, content: string, type: TarEntryType = 'file'): void {
  const sink = collector.visit({ path: `${FOLDER}/${name}`, type, sizeBytes: content.length, link: '' })
  sink?.write(Buffer.from(content))
  sink?.end()
}

function filesNaming(...names: string[]): string {
  const lines = names.map((name) => `${'0'.repeat(64)}  /${FOLDER}/${name}\n`)
  return `HART-1\nacme-20260101000000\nBLAKE2b\nsignature\n\n${lines.join('')}`
}

function collecting(contents: Record<string, string>): MetafileCollector {
  const collector = new MetafileCollector()
  for (const [name, content] of Object.entries(contents)) put(collector, name, content)
  return collector
}

test('the collector is complete once every metafile was seen', (t) => {
  const collector = new MetafileCollector()
  for (const name of Object.keys(METAFILES)) {
    t.equal(collector.complete, false)
    put(collector, name, 'x')
  }
  t.equal(collector.complete, true)
  t.end()
})

test('the collector is complete once all entries of FILES and MANIFEST were seen', (t) => {
  const collector = collecting({
    FILES: filesNaming('IDENT', 'TARGET', 'DEPS', 'bin/app'),
    IDENT: REQUIRED.IDENT,
    TARGET: REQUIRED.TARGET,
  })
  put(collector, 'DEPS', 'core/a/1/2\n')
  t.equal(collector.complete, false)
  put(collector, 'MANIFEST', REQUIRED.MANIFEST)
  t.equal(collector.complete, true)
  t.equal(collector.finish().deps[0]?.name, 'a')
  t.end()
})

test('the collector is not complete while an entry of FILES is missing', (t) => {
  t.equal(collecting({ ...REQUIRED, FILES: filesNaming('IDENT', 'TARGET', 'SVC_USER') }).complete, false)
  t.end()
})

const useless: [string, Record<string, string>][] = [
  ['is not there', {}],
  ['is no list', { FILES: 'rubbish' }],
  ['is of another package', { FILES: filesNaming('IDENT').replaceAll('/app/', '/other/') }],
  ['does not even name IDENT', { FILES: filesNaming('bin/app') }],
]

for (const [what, files] of useless) {
  test(`the collector reads to the end when FILES ${what}`, (t) => {
    const collector = collecting({ ...REQUIRED, ...files })
    t.equal(collector.complete, false)
    t.equal(collector.finish().ident.name, 'app')
    t.end()
  })
}

test('files named like metafiles in other folders are ignored', (t) => {
  const collector = collecting(REQUIRED)
  put(collector, 'share/IDENT', 'something else')
  t.equal(collector.finish().ident.name, 'app')
  t.end()
})

for (const name of [...Object.keys(METAFILES), 'FILES']) {
  test(`a second ${name} in the archive is refused`, (t) => {
    const collector = collecting({ [name]: 'x' })
    t.throws(() => put(collector, name, 'x'), {
      code: 'hart_malformed',
      message: `the metafile ${name} is malformed: it is in the archive twice`,
    })
    t.end()
  })
}

test('a metafile that is a link, a folder or a device is refused', (t) => {
  for (const type of ['symlink', 'hardlink', 'folder'] as const) {
    t.throws(
      () =>
        new MetafileCollector().visit({ path: `${FOLDER}/DEPS`, type, sizeBytes: 0, link: `${FOLDER}/x` }),
      { code: 'hart_malformed', message: `the metafile DEPS is malformed: it is a ${type}` },
    )
  }
  t.throws(
    () => new MetafileCollector().visit({ path: `${FOLDER}/DEPS`, type: 'device', sizeBytes: 0, link: '' }),
    { code: 'hart_malformed' },
  )
  t.end()
})

for (const [name, most] of Object.entries(METAFILES)) {
  test(`${name} with one byte more than ${most} is refused before it is read`, (t) => {
    const path = `${FOLDER}/${name}`
    t.doesNotThrow(() => new MetafileCollector().visit({ path, type: 'file', sizeBytes: most, link: '' }))
    t.throws(() => new MetafileCollector().visit({ path, type: 'file', sizeBytes: most + 1, link: '' }), {
      code: 'hart_malformed',
      message: `the metafile ${name} is malformed: it has ${most + 1} bytes; the limit is ${most}`,
    })
    t.end()
  })
}
