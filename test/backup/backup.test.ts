import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { ask } from '../support/ask.ts'
import { APP, NEW, WEB, backupScene, blobsIn, removeRelease } from '../support/copies/backups.ts'
import { callApi } from '../support/call-api.ts'
import { promoteTo, publishAll } from '../support/origin.ts'
import { DAY_MS, retire, setRule } from '../support/storage/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { holdBlobs } from '../../src/depot/blob-hold.ts'

const poll = async ({ url }: TestDepot) =>
  (await ask(`${url}/v1/depot/channels/acme/delivered/pkgs/live/latest?target=x86_64-linux`)).text
const positionOf = async (started: TestDepot) =>
  String((await callApi(started, 'GET', '/api/v1/ledger')).body?.['position'])

const scene = await backupScene(tap)

test('backups of a running depot share the packages that do not change', async (t) => {
  const { started, app, web, run } = scene
  const to = `${scene.to}-shared`
  const first = await run('backup', to, '--json')
  t.match(first, { code: 0 })
  t.match(JSON.parse(first.stdout), { packages: 2, copied: 2, damaged: [], has_secret_key: false })
  t.strictSame(await blobsIn(to), [app.checksum, web.checksum].toSorted())
  const { taken_at: takenAt } = JSON.parse(first.stdout) as { taken_at: string }
  t.match(
    (await callApi(started, 'GET', '/metrics')).text,
    `\nhart_depot_last_backup_timestamp_seconds ${Date.parse(takenAt) / 1_000}\n`,
  )

  const [added] = await publishAll(started, NEW)
  t.match(await removeRelease(started, APP), { status: 204 })
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
  t.match(third, { code: 0, stdout: /\nremoved: \S+, \S+, and one package that only they had\n/ })
  t.strictSame(await blobsIn(to), [web.checksum, added?.checksum ?? ''].toSorted())
  t.equal((await readdir(join(to, 'backups'))).length, 1)
})

test('while a backup runs, deleted releases keep their files', async (t) => {
  const { started, web } = scene
  const later = 'acme/later/1.0.0/20260101000000'
  const [published] = await publishAll(started, later)
  const { storage } = started.depot.blobs
  const hold = await holdBlobs(started.depot.config)
  t.match(await removeRelease(started, WEB), { status: 204 })
  await t.resolves(storage.head(web.checksum))
  await hold.close()
  t.match(await removeRelease(started, later), { status: 204 })
  await t.rejects(storage.head(published?.checksum ?? ''), { code: 'BLOB_ABSENT' })
})

test('a restored depot answers as before, verifies, and refuses positions of the lost history', async (t) => {
  const { started, to, data, run, runRestored } = scene
  const [app, web] = await publishAll(
    started,
    'acme/live/1.0.0/20260101000000',
    'acme/next/1.0.0/20260101000000',
  )
  if (app === undefined || web === undefined) throw new Error('unreachable')
  await promoteTo(started, 'delivered', app)
  const { id } = JSON.parse((await run('backup', to, '--json')).stdout) as { id: string }
  const [answer, known] = [await poll(started), await positionOf(started)]
  await promoteTo(started, 'delivered', web)
  const lost = await positionOf(started)

  const restored = await runRestored('restore', to, '--json')
  t.match(restored, { code: 0 })
  const result = JSON.parse(restored.stdout) as { incarnation: string }
  t.match(result, { backup: id, packages: 3, missing: [], ledger_agrees: true, migrations: [], orphans: 0 })
  t.match(await runRestored('verify'), { code: 0, stderr: '' })
  const again = await startDepot(t, { folder: data, listen: true })
  t.equal(await poll(again), answer)
  t.match((await callApi(again, 'GET', '/api/v1/ledger')).body, { incarnation: result.incarnation })
  const events = (after: string) => callApi(again, 'GET', `/api/v1/events?after=${after}`)
  t.match(await events(known), { status: 200, body: { events: [{ kind: 'depot-restored' }] } })
  t.match(await events(lost), { status: 409, body: { code: 'other_history' } })
  t.notOk(
    again.logged.some(({ msg }) => /files that no release needs are kept/.test(String(msg))),
    'the depot collects files again',
  )
  await again.close()
  t.match(await runRestored('backup', to, '--keep', '1'), {
    code: 3,
    stderr: /another history.*--new-history/,
  })
  t.match(await runRestored('backup', to, '--new-history'), { code: 0 })
  t.match(await runRestored('backup', to), { code: 0 }, 'it is needed once')
  t.match(await run('backup', to), { code: 3, stderr: /another history/ })
  t.match(await runRestored('restore', to), { code: 3, stderr: /is the database of a depot/ })
})

test('backups leave out packages in quarantine and say so, and restored depots do not list them', async (t) => {
  const { started, to, data, run, runRestored } = await backupScene(t)
  await publishAll(started, 'acme/app/2.0.0/20260101000000')
  await setRule(started, { of: 'origin', origin: 'acme' }, { keepLast: 1 })
  started.setClock(START + 3 * DAY_MS)
  t.strictSame(await retire(started, [APP]), [APP])
  const made = await run('backup', to)
  t.match(made, { code: 0, stdout: /: 2 packages, .*\nThe backup lacks one package in quarantine/ })
  t.match(made.stderr, /packages 0 of 2$/m)
  const restored = await runRestored('restore', to)
  t.match(restored, { code: 0, stdout: /^- Packages that were in quarantine and cannot return, .*: 1\.$/m })
  const again = await startDepot(t, { folder: data })
  t.match(await callApi(again, 'GET', '/api/v1/retention/quarantine'), { body: { releases: [] } })
})
