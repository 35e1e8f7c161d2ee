import { test } from 'tap'
import { ArchiveScanner } from '../../src/hart/scan.ts'
import { buildTar, buildXz, joinXz } from '../support/build-hart.ts'
import { MIB, FOLDER, ZEROS, ANYONE, saved, payloadOf, withoutEnd } from '../support/archives.ts'

test('memory grows by less than 64 MB, however much is unpacked', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  // Twice most of what an archive of this size may unpack to. The content of FILES is read, so its blocks are
  // not skipped.
  const path = saved(
    t.testdir(),
    joinXz(
      buildXz(withoutEnd(buildTar([{ path: `${FOLDER}FILES`, declaredBytes: 192 * MIB }]))),
      ZEROS,
      ZEROS,
      ZEROS,
      payloadOf({ metafiles: {} }),
    ),
  )
  const before = process.memoryUsage.rss()
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5)
  t.teardown(() => clearInterval(watch))
  for (let i = 0; i < 2; i += 1) t.equal((await scanner.scan(path, 0, ANYONE)).ident.name, 'app')
  t.ok(most - before < 64_000_000, `grew by ${most - before} bytes`)
})
