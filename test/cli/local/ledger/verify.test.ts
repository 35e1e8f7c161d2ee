import { sqliteFileOf } from '../../../../src/config/database.ts'
import { createHash } from 'node:crypto'
import { mkdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { makeOrigin, publishAll } from '../../../support/origin.ts'
import { makeReleases, move } from '../../../support/release-rows.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

const byChecksum = <Item extends { checksum?: string | undefined }>(items: readonly Item[]) =>
  items.toSorted((a, b) => String(a.checksum).localeCompare(String(b.checksum)))

/** Writes files of the size that `makeReleases` records. */
async function makeFiles({ depot }: TestDepot, ...idents: readonly string[]): Promise<void> {
  for (const ident of idents) {
    const path = depot.blobs.storage.placeOf(createHash('sha256').update(ident).digest('hex'))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, 'x')
  }
}

test('verify prints counts and the head of the ledger, and exits with 1 if a row was changed', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const started = await startDepot(t, { folder: DEPOT_DATA })
  await move(started, 'promote', 'delivered', await makeReleases(started, 'acme/app/1.0.0/20260101000000'))
  await makeFiles(started, 'acme/app/1.0.0/20260101000000')
  await started.close()

  const agreed = await runHere(['verify'], { DEPOT_DATA })
  t.match(agreed, { code: 0, stderr: '' })
  t.match(
    agreed.stdout,
    /^ENTRIES +PROMOTIONS +VIEWS +MEMBERSHIPS +POINTERS\n\d+ +2 +7 +2 +2\n\nhead \d+ {2}[0-9a-f]{64} {2}2026-01-01T00:00:00Z\n\nthe ledger, the views and their history agree\n\nthe file of one package is present, 1 bytes, .*\n$/,
  )
  const [, sequence, hash] = /^head (\d+) {2}(\w+)/m.exec(agreed.stdout) ?? []
  const json = await runHere(['verify', '--json'], { DEPOT_DATA })
  t.match(json, { code: 0, stderr: '' })
  t.match(JSON.parse(json.stdout), {
    agrees: true,
    promotions: 2,
    views: 7,
    memberships: 2,
    head: { sequence: Number(sequence), hash },
    findings: [],
    findings_in_all: 0,
  })

  new BetterSqlite3(sqliteFileOf(started.depot.config))
    .exec("UPDATE views SET revision = 9 WHERE name = 'delivered'")
    .close()
  const [text, findings] = await Promise.all([
    runHere(['verify'], { DEPOT_DATA }),
    runHere(['verify', '--json'], { DEPOT_DATA }),
  ])
  t.match(text, {
    code: 1,
    stdout:
      /\n\nWHERE +WHAT\ndelivered +its row has revision 9, but the ledger has 1\n\nthe file of one package/,
    stderr: 'hart-depot: the ledger and the depot differ in one place, which is listed above\n',
  })
  t.equal(findings.code, 1)
  t.match(JSON.parse(findings.stdout), {
    agrees: false,
    findings: [{ where: 'delivered', what: 'its row has revision 9, but the ledger has 1' }],
    findings_in_all: 1,
  })
})

test('verify refuses a missing depot and unknown options', async (t) => {
  const DEPOT_DATA = `${await scratchFolder(t)}/nothing`
  t.match(await runHere(['verify'], { DEPOT_DATA }), {
    code: 5,
    stdout: '',
    stderr: /^hart-depot: there is no depot in .*\n$/,
  })
  t.match(await runHere(['verify', '--quickly'], { DEPOT_DATA }), {
    code: 2,
    stdout: '',
    stderr: /; see hart-depot verify --help\n$/,
  })
})

test('verify finds missing files and orphans, and with --bytes changed contents', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const started = await startDepot(t, { folder: DEPOT_DATA, listen: true })
  await makeOrigin(started)
  const [sound, longer, gone, looped] = await publishAll(
    started,
    'acme/app/1.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000',
    'acme/app/3.0.0/20260101120000',
    'acme/app/4.0.0/20260101120000',
  )
  const pathOf = ({ checksum = '' }: { checksum?: string } = {}) =>
    started.depot.blobs.storage.placeOf(checksum)
  await started.close()
  t.match(await runHere(['verify', '--bytes'], { DEPOT_DATA }), {
    code: 0,
    stdout: /\nthe files of 4 packages are present, \d+ bytes, with the right checksums\n$/,
  })

  const orphans = [pathOf({ checksum: 'ab'.repeat(32) }), pathOf({ checksum: `cd-what-is-this` })]
  for (const orphan of orphans) {
    await mkdir(dirname(orphan), { recursive: true })
    await writeFile(orphan, 'orphan')
  }
  const listed = await runHere(['verify'], { DEPOT_DATA })
  t.match(
    listed,
    { code: 0, stdout: /\n\nBYTES +FILE THAT NO RELEASE NEEDS\n6 +\S+\n6 +\S+\n$/ },
    'orphans alone are no difference, because an upload may be in progress',
  )
  for (const orphan of orphans) t.ok(listed.stdout.includes(orphan))

  await writeFile(pathOf(sound), Buffer.alloc(Number(sound?.bytes.length), 'x'))
  await writeFile(pathOf(longer), 'x', { flag: 'a' })
  for (const lost of [gone, looped]) await unlink(pathOf(lost))
  await symlink(pathOf(looped), pathOf(looped)) // a link in a circle: the system refuses to follow it
  const [cheap, read] = await Promise.all([
    runHere(['verify'], { DEPOT_DATA }),
    runHere(['verify', '--bytes', '--json'], { DEPOT_DATA }),
  ])
  t.match(cheap, { code: 1, stdout: /\nFILE +DAMAGE +RELEASES\n/, stderr: /differ in 3 places/ })
  t.match(cheap.stdout, new RegExp(`${longer?.checksum} +of another size +acme/app/2.0.0/20260101120000`))
  t.match(cheap.stdout, new RegExp(`${gone?.checksum} +missing +acme/app/3.0.0/20260101120000`))
  t.match(
    cheap.stdout,
    new RegExp(`${looped?.checksum} +unreadable \\(ELOOP\\) +acme/app/4.0.0/20260101120000`),
  )
  t.equal(read.code, 1)
  const found = [
    { checksum: sound?.checksum, damage: 'of other bytes', idents: ['acme/app/1.0.0/20260101120000'] },
    { checksum: longer?.checksum, damage: 'of another size', idents: ['acme/app/2.0.0/20260101120000'] },
    { checksum: gone?.checksum, damage: 'missing', idents: ['acme/app/3.0.0/20260101120000'] },
    {
      checksum: looped?.checksum,
      damage: 'unreadable',
      reason: 'ELOOP',
      idents: ['acme/app/4.0.0/20260101120000'],
    },
  ]
  const json = JSON.parse(read.stdout) as { damaged: { checksum: string }[] }
  t.match(json, { agrees: true, packages: 4, bytes_read: true, damaged_in_all: 4, orphans_in_all: 2 })
  t.strictSame(byChecksum(json.damaged), byChecksum(found))
})

test('verify refuses the database of another version with a sentence, and does not change it', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const started = await startDepot(t, { folder: DEPOT_DATA })
  await started.close()
  const database = new BetterSqlite3(sqliteFileOf(started.depot.config))
  t.teardown(() => database.close())
  database.exec('DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)')
  const applied = database.prepare('SELECT * FROM migrations').all()
  t.match(await runHere(['verify'], { DEPOT_DATA }), {
    code: 1,
    stdout: '',
    stderr: /an older hart-depot: start this version/,
  })
  t.strictSame(database.prepare('SELECT * FROM migrations').all(), applied)
  for (const number of [applied.length + 1, applied.length + 2])
    database.prepare("INSERT INTO migrations VALUES (?, 'x', 'x', 0)").run(number)
  t.match(await runHere(['verify'], { DEPOT_DATA }), { code: 1, stdout: '', stderr: /a newer hart-depot/ })
})
