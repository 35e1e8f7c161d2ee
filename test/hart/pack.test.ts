import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { readArchive } from '../../src/hart/archive.ts'
import { HartDigest } from '../../src/hart/digest.ts'
import { packHart, packPayload, signHart } from '../../src/hart/pack.ts'
import type { PackedFile, PackOptions } from '../../src/hart/pack.ts'
import { verifySignature } from '../../src/hart/signature.ts'
import { parseIdent } from '../../src/package/ident.ts'
import { makeKeys } from '../support/build-hart.ts'

const keys = makeKeys('acme')
const everything: PackOptions = {
  ident: parseIdent('acme/app/1.0.0/20260101120000'),
  target: 'aarch64-linux',
  secretKey: keys.secretKey,
  manifest: '# acme / app\n\nünïcode\n',
  config: 'port = 80\n',
  deps: [parseIdent('core/glibc/2.27/20190115002733')],
  tdeps: [
    parseIdent('core/glibc/2.27/20190115002733'),
    parseIdent('core/linux-headers/4.17.12/20190115002705'),
  ],
  buildDeps: [parseIdent('core/gcc/9.1.0/20200101000000')],
  buildTdeps: [parseIdent('core/gcc/9.1.0/20200101000000')],
  exposes: [80, 443],
  packageType: 'native',
  svcUser: 'hab',
  svcGroup: 'hab',
  files: [
    { path: 'bin/app', content: '#!/bin/sh\n', mode: 0o755 },
    { path: `share/${'long/'.repeat(40)}name`, content: 'x'.repeat(1000) },
  ],
}

/** A file of zeros, or of other bytes, that arrives one megabyte at a time. */
function megabytes(path: string, count: number): PackedFile {
  const megabyte = Buffer.alloc(1024 * 1024, 0x55)
  return {
    path,
    sizeBytes: count * megabyte.length,
    *chunks() {
      for (let i = 0; i < count; i += 1) yield megabyte
    },
  }
}

function digestOf(hart: Buffer): ReturnType<HartDigest['finish']> {
  const digest = new HartDigest()
  digest.update(hart)
  return digest.finish()
}

for (const metadata of ['first', 'last'] as const) {
  test(`the reader finds everything that was packed, metadata ${metadata}`, async (t) => {
    const hart = packHart({ ...everything, metadata })
    const { header, payloadHash } = digestOf(hart)
    t.doesNotThrow(() => verifySignature(header, payloadHash, keys.publicKey))

    const path = join(t.testdir(), 'x.hart')
    writeFileSync(path, hart)
    const { secretKey: _, files: __, ...packed } = everything
    t.strictSame(await readArchive(path, header.payloadOffset), packed)
  })
}

test('the same options give the same bytes', (t) => {
  t.ok(packHart(everything).equals(packHart(everything)))
  t.end()
})

test('a payload packed in pieces is the one packed in memory', (t) => {
  const options = { ...everything, files: [megabytes('blob', 3)] }
  const pieces = [...packPayload(options)]
  t.ok(pieces.length > 1)
  t.ok(signHart(Buffer.concat(pieces), options.secretKey).equals(packHart(options)))
  t.end()
})

// The decoder of machines without xz.
const DECODE = `import { buffer } from 'node:stream/consumers'; import { unxzAsync } from 'node-liblzma/wasm'
process.stdout.write(await unxzAsync(await buffer(process.stdin)))`
const LIST = `decode=$1; command -v xz >/dev/null || xz() { '${process.execPath}' --input-type=module -e "$decode"; }; tail -n +6 "$0" | xz -dc | tar t`

test('tail, xz and tar list the packed files', (t) => {
  const path = join(t.testdir(), 'x.hart')
  writeFileSync(path, packHart(everything))
  const { status, stdout, stderr } = spawnSync('sh', ['-c', LIST, path, DECODE], { encoding: 'utf8' })
  const folder = 'hab/pkgs/acme/app/1.0.0/20260101120000/'
  t.equal(status, 0, stderr)
  t.equal(stderr, '')
  const names = stdout.trim().split('\n')
  t.ok(names.every((name) => name.startsWith(folder)))
  t.strictSame(
    names.map((name) => name.slice(folder.length)).toSorted(),
    [
      '',
      'BUILD_DEPS',
      'BUILD_TDEPS',
      'DEPS',
      'EXPOSES',
      'FILES',
      'IDENT',
      'MANIFEST',
      'PACKAGE_TYPE',
      'SVC_GROUP',
      'SVC_USER',
      'TARGET',
      'TDEPS',
      'bin/app',
      'default.toml',
      `share/${'long/'.repeat(40)}name`,
    ].toSorted(),
  )
  t.end()
})

test('packing a file of another length than declared is refused', (t) => {
  const file = { ...megabytes('blob', 1), sizeBytes: 5 }
  t.throws(() => packHart({ ...everything, files: [file] }), { message: 'blob has 1048576 bytes, not 5' })
  t.end()
})
