import { copyFile, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { holdBlobs } from '../../src/depot/blob-hold.ts'
import { ask } from '../support/ask.ts'
import { bearer, makeOrigin, publishAll } from '../support/origin.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const APP = 'acme/app/1.0.0/20260101000000'
const WEB = 'acme/web/1.0.0/20260101000000'
const NEW = 'acme/new/1.0.0/20260101000000'

/** A running depot with two releases, and a folder for its backups. */
async function makeDepot(t: Test) {
  const folder = await scratchFolder(t)
  const to = join(await scratchFolder(t), 'backups')
  const started = await startDepot(t, { folder, listen: true })
  await makeOrigin(started)
  const [app, web] = await publishAll(started, APP, WEB)
  if (app === undefined || web === undefined) throw new Error('unreachable')
  const env = { DEPOT_DATA: folder }
  return { started, to, app, web, run: (...args: string[]) => runHere(args, env) }
}

async function blobsIn(to: string): Promise<string[]> {
  const files = await readdir(join(to, 'blobs'), { recursive: true })
  return files.filter((name) => /^..\/[0-9a-f]{64}$/.test(name)).map((name) => name.slice(3))
}

const remove = ({ url }: TestDepot, ident: string) =>
  ask(`${url}/v1/depot/pkgs/${ident}`, { method: 'DELETE', headers: bearer() })

test('backups of a running depot share the packages that do not change', async (t) => {
  const { started, to, app, web, run } = await makeDepot(t)
  const first = await run('backup', to, '--json')
  t.match(first, { code: 0 })
  t.match(JSON.parse(first.stdout), { packages: 2, copied: 2, damaged: [], has_secret_key: false })
  t.strictSame((await blobsIn(to)).toSorted(), [app.checksum, web.checksum].toSorted())

  const [added] = await publishAll(started, NEW)
  t.match(await remove(started, APP), { status: 204 })
  const second = await run('backup', to, '--json', '--with-secret-key')
  t.match(second, { code: 0 })
  t.match(JSON.parse(second.stdout), { packages: 2, copied: 1, has_secret_key: true })
  const [newest = '', oldest = ''] = (await run('backup', 'list', to, '--quiet')).stdout.trim().split('\n')
  t.strictSame([JSON.parse(second.stdout).id, JSON.parse(first.stdout).id], [newest, oldest])
  t.equal(
    await readFile(join(to, 'backups', newest, 'secret.key'), 'utf8'),
    await readFile(join(started.folder, 'secret.key'), 'utf8'),
  )
  t.notOk((await readdir(join(to, 'backups', oldest))).includes('secret.key'))
  t.match(
    (await run('backup', 'list', to)).stdout,
    new RegExp(`^BACKUP +LEDGER .*\n${newest} .*\n${oldest} `),
  )
  for (const file of await readdir(to, { recursive: true }))
    t.equal((await stat(join(to, file))).mode & 0o077, 0, `${file} is private`)

  const third = await run('backup', to, '--keep', '1')
  t.match(third, { code: 0, stdout: /\nremoved 2 older backups, and 1 packages only they had\n/ })
  t.strictSame((await blobsIn(to)).toSorted(), [web.checksum, added?.checksum ?? ''].toSorted())
  t.equal((await readdir(join(to, 'backups'))).length, 1)
})

test('while a backup runs, deleted releases keep their files', async (t) => {
  const { started, app, web } = await makeDepot(t)
  const { storage } = started.depot.blobs
  const hold = holdBlobs(started.depot.config)
  t.match(await remove(started, APP), { status: 204 })
  await t.resolves(storage.head(app.checksum))
  hold.close()
  t.match(await remove(started, WEB), { status: 204 })
  await t.rejects(storage.head(web.checksum), { code: 'BLOB_ABSENT' })
})

test('a damaged package is left out and named, unless an earlier backup has it', async (t) => {
  const { started, to, app, run } = await makeDepot(t)
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
  const { to, app, run } = await makeDepot(t)
  const { id } = JSON.parse((await run('backup', to, '--json')).stdout) as { id: string }
  const folder = join(to, 'backups', id)
  await rm(join(folder, 'manifest.json'))
  await truncate(join(to, 'blobs', app.checksum.slice(0, 2), app.checksum), 1)
  t.match(await run('backup', 'list', to, '--json'), { code: 0, stdout: '[]\n' })
  t.match(JSON.parse((await run('backup', to, '--json')).stdout), { packages: 2, copied: 1 })
  t.notOk((await readdir(join(to, 'backups'))).includes(id))
})

test('a backup refuses folders that are not for it', async (t) => {
  const { started, to, run } = await makeDepot(t)
  const refused = async (pattern: RegExp, code: number, ...args: string[]) =>
    t.match(await run('backup', ...args), { code, stdout: '', stderr: pattern })
  await refused(/is the data folder/, 2, started.folder)
  await refused(/not a folder of backups/, 1, join(started.folder, 'blobs'))
  await refused(/there are no backups/, 5, 'list', to)
  await refused(/takes a number/, 2, to, '--keep', '0')
  await refused(/takes a size/, 2, to, '--rate', '0')
  t.match(await run('backup', to), { code: 0 })
  const other = await makeDepot(t)
  t.match(await other.run('backup', to), { code: 3, stderr: /are of another depot/ })
  const [id = ''] = (await run('backup', 'list', to, '-q')).stdout.trim().split('\n')
  const manifest = join(to, 'backups', id, 'manifest.json')
  await copyFile(manifest, `${manifest}.kept`)
  await writeFile(manifest, '{"format":2}')
  await refused(/later version of hart-depot/, 1, 'list', to)
  await writeFile(manifest, '{}')
  await refused(/not the manifest of a backup/, 1, 'list', to)
})
