import { writeFile, rm } from 'node:fs/promises'
import { test } from 'tap'
import { ask } from '../support/ask.ts'
import { APP, NEW, WEB, backupScene } from '../support/copies/backups.ts'
import { publishAll } from '../support/origin.ts'
import { openControl } from '../../src/depot/control.ts'
import { startDepot } from '../support/start-depot.ts'

test('verify --repair puts damaged packages back, from backups and from another depot', async (t) => {
  const scene = await backupScene(t)
  const { started, app, web, to, data, run } = scene
  t.match(await run('backup', to, '--with-secret-key'), { code: 0 })
  const [added] = await publishAll(started, NEW)
  const { storage } = started.depot.blobs
  const control = await openControl(started.folder, started.depot)
  t.teardown(() => control.close())
  const download = (ident: string) =>
    ask(`${started.url}/v1/depot/pkgs/${ident}/download?target=x86_64-linux`)

  await rm(storage.placeOf(app.checksum))
  await writeFile(storage.placeOf(web.checksum), Buffer.alloc(web.bytes.length, 'x'))
  await rm(storage.placeOf(added?.checksum ?? ''))
  t.match(await download(APP), { status: 503 }, 'the depot knows of the damage')
  const repaired = await run('verify', '--bytes', '--json', '--repair', '--from', to)
  t.match(repaired, { code: 1, stderr: /differ in one place/ })
  t.match(repaired.stderr, `repaired: ${APP} (missing)\n`)
  t.match(repaired.stderr, `repaired: ${WEB} (of other bytes)\n`)
  t.match(repaired.stderr, `not repaired: ${NEW} (missing): no backup has it\n`)
  t.match(JSON.parse(repaired.stdout), { repaired: 2, damaged: [{ checksum: added?.checksum }] })
  t.match(await download(APP), { status: 200 }, 'the depot knows of the repair')

  t.match(await scene.runRestored('restore', to), { code: 0 })
  const other = await startDepot(t, { folder: data, listen: true })
  await rm(storage.placeOf(app.checksum))
  const fetched = await run('verify', '--repair', '--from', other.url)
  t.match(fetched, { code: 1, stdout: /\nrepaired the file of one package\n/ })
  t.match(fetched.stderr, new RegExp(`not repaired: ${NEW} \\(missing\\): .* answered 404`))
  await writeFile(other.depot.blobs.storage.placeOf(web.checksum), Buffer.alloc(web.bytes.length, 'y'))
  await rm(storage.placeOf(web.checksum))
  t.match((await run('verify', '--repair', '--from', other.url)).stderr, /the source has other bytes under/)
  t.match(await run('verify', '--bytes', '--repair', '--from', to), { code: 1, stdout: new RegExp(NEW) })
})

test('verify --repair refuses what it cannot use', async (t) => {
  const { to, run } = await backupScene(t)
  t.match(await run('verify', '--repair'), { code: 2, stderr: /--repair and --from go together/ })
  t.match(await run('verify', '--from', to), { code: 2 })
  t.match(await run('verify', '--repair', '--from', to), { code: 5, stderr: /there are no backups/ })
  t.match(await run('verify', '--repair', '--from', 'http://127.0.0.1:1'), { code: 7 })
})
