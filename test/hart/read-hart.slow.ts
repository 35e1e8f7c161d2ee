import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { readHart } from '../support/habitat/read-hart.ts'
import type { Hart } from '../support/habitat/read-hart.ts'
import { ArchiveScanner } from '../../src/hart/scan.ts'
import { formatKeyName, parsePublicKey } from '../../src/hart/origin-key.ts'
import type { KeyName, PublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent, hartFileName } from '../../src/package/ident.ts'
import { buildHart } from '../support/build-hart.ts'
import type { Flaw } from '../support/build-hart.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url))
const published = readdirSync(join(FIXTURES, 'keys')).map((name) =>
  parsePublicKey(readFileSync(join(FIXTURES, 'keys', name), 'utf8')),
)
const known = [...published, buildHart().keys.publicKey]

const scanner = new ArchiveScanner({ workers: 1 })
test('hart', async (t) => {
  t.teardown(() => scanner.close())

  const harts = readdirSync(join(FIXTURES, 'harts')).filter(
    (name) => name.endsWith('.hart') && !/^(bogus|unhappy)/.test(name),
  )
  for (const name of harts) {
    await t.test(`${name} is read as its name says`, async (u) => {
      const hart = await read(join(FIXTURES, 'harts', name), 'verify')
      u.equal(hartFileName(hart.metadata.ident, hart.metadata.target), name)
      u.ok(hart.metadata.manifest.includes(hart.metadata.ident.release))
      u.equal(hart.metadata.packageType, name.includes('native') ? 'native' : 'standard')
      u.equal(hart.metadata.config, undefined)
      u.strictSame(hart.metadata.exposes, [])
      const signers = {
        valid: ['happyhumans-20160424223347', 'neurosis-20171211220037'],
        unknown_signer: ['core-20160810182414', 'neurosis-20171205003147'],
      }
      u.ok(signers[hart.signature].includes(formatKeyName(hart.header.signer)))
    })
  }

  await t.test('the dependencies of a real package are read', async (u) => {
    const { metadata } = await read(
      join(FIXTURES, 'harts/neurosis-testapp-0.1.13-20190511004436-x86_64-linux.hart'),
    )
    u.strictSame(metadata.deps.map(formatIdent), ['core/glibc/2.27/20190115002733'])
    u.strictSame(metadata.tdeps.map(formatIdent), [
      'core/glibc/2.27/20190115002733',
      'core/linux-headers/4.17.12/20190115002705',
    ])
    u.strictSame(
      [metadata.buildDeps, metadata.buildTdeps, metadata.svcUser, metadata.svcGroup],
      [[], [], undefined, undefined],
    )
  })

  await t.test('the build dependencies and the user of a real Windows package are read', async (u) => {
    const { metadata } = await read(
      join(FIXTURES, 'harts/neurosis-testapp-0.1.4-20181115124506-x86_64-windows.hart'),
    )
    u.strictSame(metadata.buildDeps.map(formatIdent), ['core/dmake/4.12.2.2/20181030202937'])
    u.strictSame(metadata.buildTdeps.map(formatIdent), ['core/dmake/4.12.2.2/20181030202937'])
    u.match(metadata, { svcUser: 'hab', svcGroup: 'hab', target: 'x86_64-windows', deps: [] })
  })

  await t.test('two files of the same ident have different checksums', async (u) => {
    const name = 'neurosis-testapp-0.1.3-20171205003213-x86_64-linux.hart'
    const one = await read(join(FIXTURES, 'harts', name), 'verify')
    const other = await read(join(FIXTURES, 'harts/same-ident-other-bytes', name), 'verify')
    u.strictSame(one.metadata.ident, other.metadata.ident)
    u.not(one.checksum, other.checksum)
  })

  const refusedFixtures: [string, string, RegExp][] = [
    [
      'bogus_and_corrupt.hart',
      'hart_malformed',
      /"happyhumans-20160424223347-not-valid-identifier!" is not the name of a key/,
    ],
    [
      'unhappyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart',
      'signature_invalid',
      /signed other bytes/,
    ],
    ['core-cacerts-2017.01.17-20170209064044-x86_64-windows.hart', 'signer_unknown', /core-20160810182414/],
    ['neurosis-testapp-0.1.3-20171205003213-x86_64-linux.hart', 'signer_unknown', /neurosis-20171205003147/],
  ]
  for (const [name, code, message] of refusedFixtures) {
    await t.test(`${name} is refused with ${code}`, async (u) => {
      await u.rejects(read(join(FIXTURES, 'harts', name)), { code, message })
    })
  }

  const flaws: Record<Flaw, [string, RegExp]> = {
    'wrong-signature': ['signature_invalid', /not made by/],
    'signs-other-bytes': ['signature_invalid', /signed other bytes/],
    'signed-by-another': ['signature_invalid', /not made by/],
    'cut-off': ['hart_malformed', /cut off/],
    'no-payload': ['hart_malformed', /nothing follows its header/],
    'not-xz': ['hart_malformed', /not an xz file/],
    'trailing-bytes': ['hart_malformed', /8 extra bytes follow/],
    'huge-dictionary': ['hart_malformed', /needs a dictionary of 1610612736 bytes/],
    'damaged-data': ['hart_malformed', /damaged|wrong checksum/],
    'bad-tar-checksum': ['hart_malformed', /wrong checksum/],
    'no-tar-end': ['hart_malformed', /its archive is cut off/],
    'no-IDENT': ['hart_malformed', /metafile IDENT .* not in the archive/],
    'no-TARGET': ['hart_malformed', /metafile TARGET .* not in the archive/],
    'no-MANIFEST': ['hart_malformed', /metafile MANIFEST .* not in the archive/],
    'other-IDENT': ['hart_malformed', /metafile IDENT .* in the folder of/],
    'unknown-TARGET': ['target_malformed', /"vax-vms"/],
    'unknown-PACKAGE_TYPE': ['hart_malformed', /metafile PACKAGE_TYPE .*"composite"/],
    'partial-DEPS': ['hart_malformed', /metafile DEPS .*"core\/glibc"/],
  }
  for (const [flaw, [code, message]] of Object.entries(flaws)) {
    await t.test(`a package with the flaw ${flaw} is refused`, async (u) => {
      const path = join(u.testdir(), 'flawed.hart')
      writeFileSync(path, buildHart({ flaws: [flaw as Flaw] }).bytes)
      await u.rejects(read(path), { name: 'DepotError', code, message })
    })
  }

  await t.test(
    'refuses a package that is cut off at any byte, even when nobody can check its signature',
    async (u) => {
      const whole = readFileSync(
        join(FIXTURES, 'harts/neurosis-testapp-0.1.3-20171205003213-x86_64-linux.hart'),
      )
      const path = join(u.testdir(), 'cut.hart')
      // Digest and walk are tested with every byte. Here every eleventh and the last are enough.
      for (const length of [...Array(Math.ceil(whole.length / 11)).keys()]
        .map((i) => i * 11)
        .concat(whole.length - 1)) {
        writeFileSync(path, whole.subarray(0, length))
        await u.rejects(read(path, 'verify'), { code: 'hart_malformed' }, `after ${length} bytes`)
      }
    },
  )

  await t.test('an absent file is not a refusal of the package', async (u) => {
    await u.rejects(read(join(u.testdir(), 'absent.hart')), { code: 'ENOENT' })
  })
})

function read(path: string, signatures: 'require' | 'verify' = 'require'): Promise<Hart> {
  return readHart(path, { keys, scanner, signatures })
}

function keys(signer: KeyName): PublicKey | undefined {
  return known.find((key) => formatKeyName(key) === formatKeyName(signer))
}
