import { copyFile, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { backUp } from '../../src/backup/back-up.ts'
import { Backups } from '../../src/backup/backups.ts'
import { Pace } from '../../src/backup/pace.ts'
import { HashThreads } from '../../src/hart/hash-threads.ts'
import { areBlobsHeld, holdBlobs } from '../../src/depot/blob-hold.ts'
import { NEW, backupScene, blobsIn } from '../support/copies/backups.ts'
import { publishAll } from '../support/origin.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'

test('a damaged package is left out and named, unless an earlier backup has it', async (t) => {
  const { started, to, app, run } = await backupScene(t)
  t.match(await run('backup', to), { code: 0 })
  const [added] = await publishAll(started, NEW)
  const { storage } = started.depot.blobs
  const place = storage.placeOf(added?.checksum ?? '')
  const intact = await readFile(place)
  await writeFile(place, Buffer.concat([intact.subarray(0, -1), Buffer.from('?')]))
  await rm(storage.placeOf(app.checksum))
  const damaged = await run('backup', to, '--keep', '1', '--json')
  t.match(damaged, {
    code: 1,
    stderr: new RegExp(`complete except for one package, .*: ${NEW} \\(of other bytes\\)`),
  })
  t.match(JSON.parse(damaged.stdout), {
    packages: 2,
    damaged: [{ checksum: added?.checksum, damage: 'of other bytes', idents: [NEW] }],
  })
  t.ok((await blobsIn(to)).includes(app.checksum), 'an earlier backup has it')
  t.notOk((await blobsIn(to)).includes(added?.checksum ?? ''))
  t.match((await run('backup', 'list', to)).stdout, / 1 +no /)

  await writeFile(place, intact)
  t.match(await run('backup', to), { code: 0 })
})

test('an interrupted backup is not listed, and the next one uses what it copied', async (t) => {
  const { to, app, run } = await backupScene(t)
  const { id } = JSON.parse((await run('backup', to, '--json')).stdout) as { id: string }
  const folder = join(to, 'backups', id)
  await rm(join(folder, 'manifest.json'))
  await truncate(join(to, 'blobs', app.checksum.slice(0, 2), app.checksum), 1)
  t.match(await run('backup', 'list', to, '--json'), { code: 0, stdout: '[]\n' })
  t.match(JSON.parse((await run('backup', to, '--json')).stdout), { packages: 2, copied: 1 })
  t.notOk((await readdir(join(to, 'backups'))).includes(id))
})

test('a backup refuses folders that are not for it', async (t) => {
  const { started, to, run } = await backupScene(t)
  const refused = async (pattern: RegExp, code: number, ...args: string[]) =>
    t.match(await run('backup', ...args), { code, stdout: '', stderr: pattern })
  await refused(/is the data folder/, 2, started.folder)
  await refused(/is in the data folder/, 2, join(started.folder, 'blobs'))
  await refused(/is in the data folder/, 2, join(started.folder, 'new', 'backups'))
  const link = join(await scratchFolder(t), 'link')
  await symlink(started.folder, link)
  await refused(/is the data folder/, 2, link)
  await refused(/is in the data folder/, 2, join(link, 'backups'))
  t.strictSame(
    (await readdir(started.folder)).filter((name) => /backups|new/.test(name)),
    [],
  )
  await refused(/there are no backups/, 5, 'list', to)
  await refused(/takes a number/, 2, to, '--keep', '0')
  await refused(/takes a size/, 2, to, '--rate', '0')
  t.match(await run('backup', to), { code: 0 })
  const other = await backupScene(t)
  t.match(await other.run('backup', to), { code: 3, stderr: /are of another depot/ })
  const [id = ''] = (await run('backup', 'list', to, '-q')).stdout.trim().split('\n')
  const manifest = join(to, 'backups', id, 'manifest.json')
  await copyFile(manifest, `${manifest}.kept`)
  await writeFile(manifest, '{"format":2}')
  await refused(/later version of hart-depot/, 1, 'list', to)
  await writeFile(manifest, '{}')
  await refused(/not the manifest of a backup/, 1, 'list', to)
})

test('a signal ends a backup while it copies the database', async (t) => {
  const { started, to } = await backupScene(t)
  const { config } = started.depot
  const target = await Backups.openForWriting(to, config)
  const [hashes, controller] = [new HashThreads(), new AbortController()]
  const pace = Object.assign(new Pace(1e9), { takeNow: () => controller.abort('SIGINT') })
  const backingUp = backUp(config, target, {
    at: Date.now(),
    hashes,
    pace,
    signal: controller.signal,
    onProgress: () => t.fail('packages are not reached'),
  })
  t.equal(await backingUp.catch(String), 'SIGINT')
  t.strictSame(await readdir(join(to, 'backups')), [])
  target.close()
  await hashes.close()
})

test('a backup refuses a place that has the packages of the depot', async (t) => {
  const { started, to, run } = await backupScene(t)
  t.match(await run('backup', to), { code: 0 })
  const backupTo = async (place: string, DEPOT_BLOBS: string) =>
    runHere(['backup', place, '--keep', '1'], { DEPOT_DATA: started.folder, DEPOT_BLOBS })
  const refusal = { code: 2, stderr: /where the depot has its packages/ }
  for (const [place, blobs] of [
    [to, `fs:${to}`],
    [to, `fs:${join(to, 'blobs')}`],
    [join(to, 'blobs', 'backups'), `fs:${join(to, 'blobs')}`],
    ['s3://depot/acme', 's3://depot/acme'],
    ['s3://depot/acme', 's3://depot/acme/blobs'],
    ['s3://depot/acme/backups', 's3://depot/acme'],
  ] as const)
    t.match(await backupTo(place, blobs), refusal, place)
})

test('one backup is written to a folder at a time, and its list can be read meanwhile', async (t) => {
  const { started, to, run } = await backupScene(t)
  const other = await Backups.openForWriting(to, readConfig({ DEPOT_DATA: to }))
  t.match(await run('backup', to), { code: 1, stderr: /another process uses the backups in/ })
  t.match(await run('backup', 'list', to, '--json'), { code: 0, stdout: '[]\n' })
  other.close()
  const { config, db } = started.depot
  const [one, two] = [await holdBlobs(config), await holdBlobs(config)]
  t.match(await run('backup', to), { code: 0 }, 'backups to several folders may run at once')
  await one.close()
  t.ok(await areBlobsHeld(config, db))
  await two.close()
  t.notOk(await areBlobsHeld(config, db))
})
