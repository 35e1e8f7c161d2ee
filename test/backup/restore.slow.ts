import { existsSync } from 'node:fs'
import { appendFile, cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import type { Test } from 'tap'
import { ask } from '../support/ask.ts'
import { APP, backupScene } from '../support/copies/backups.ts'
import { runHere } from '../support/run-cli.ts'
import { callApi } from '../support/call-api.ts'
import { startDepot } from '../support/start-depot.ts'

/** A backup of a depot that has secrets. */
async function makeBackup(t: Test, { withKey = true } = {}) {
  const { runRestored, ...scene } = await backupScene(t)
  await callApi(scene.started, 'GET', '/api/v1/depot/keys/current') // makes a secret, which the key encrypts
  const made = await scene.run('backup', scene.to, '--json', ...(withKey ? ['--with-secret-key'] : []))
  const { id } = JSON.parse(made.stdout) as { id: string }
  return { ...scene, id, backup: join(scene.to, 'backups', id), run: runRestored }
}

test('a restore says what the backup lacks, and restores the rest', async (t) => {
  const { to, data, app, run } = await makeBackup(t)
  await rm(join(to, 'blobs', app.checksum.slice(0, 2), app.checksum))
  const restored = await run('restore', to)
  t.match(restored, { code: 1, stderr: /restored except for (one|1) package/ })
  t.match(restored.stdout, /^\S+ has the depot of \S+: 1 package, 7 views, /)
  t.match(restored.stdout, new RegExp(`${app.checksum} +missing +${APP}\n`))
  const again = await startDepot(t, { folder: data, listen: true })
  t.match(
    await ask(`${again.url}/readyz`, { headers: { accept: 'application/json' } }),
    { status: 200, text: /damaged/ },
    'the damage is known at once',
  )
})

test('an interrupted restore continues, and no server starts on it', async (t) => {
  const { to, data, app, run } = await makeBackup(t)
  const blob = join(to, 'blobs', app.checksum.slice(0, 2), app.checksum)
  t.match(await run('restore', to), { code: 0 })
  await rename(join(data, 'depot.sqlite'), join(data, 'depot.sqlite.restoring'))
  await rm(blob) // the data folder has it
  await t.rejects(startDepot(t, { folder: data }), { code: 'conflict', message: /not completely restored/ })
  t.match(await run('verify'), { code: 5 })
  t.match(await run('restore', to), { code: 0 })
  t.notOk(existsSync(join(data, 'depot.sqlite.restoring')))
  t.match(await run('verify', '--bytes'), { code: 0 })
})

test('a restore refuses what it cannot restore, and leaves the folder as it was', async (t) => {
  const { started, to, data, id, backup, run } = await makeBackup(t, { withKey: false })
  const refused = async (pattern: RegExp, code = 1, ...args: string[]) => {
    t.match(await run('restore', to, ...args), { code, stdout: '', stderr: pattern })
    t.notOk(existsSync(join(data, 'depot.sqlite')))
  }
  await refused(/which the backup does not have: copy secret\.key/)
  await refused(/there is no complete backup nothing/, 5, '--backup', 'nothing')
  await mkdir(data)
  await cp(join(started.folder, 'secret.key'), join(data, 'secret.key'))
  await writeFile(join(data, 'other'), '')
  await refused(/has other in it/, 3)
  await rm(join(data, 'other'))

  const [database, checksums] = ['depot.sqlite', 'CHECKSUMS'].map((name) => join(backup, name)) as [
    string,
    string,
  ]
  const intact = await readFile(database)
  new BetterSqlite3(database).exec("INSERT INTO migrations VALUES (9999, '9999-later.sql', 'x', 0)").close()
  await refused(/made by a newer hart-depot: it has 9999-later\.sql/)
  await writeFile(database, Buffer.concat([intact.subarray(0, -1), Buffer.from('?')]))
  await refused(/depot\.sqlite is damaged/)
  await writeFile(database, intact)
  const lines = await readFile(checksums, 'utf8')
  await appendFile(checksums, '\n')
  await refused(/CHECKSUMS is damaged/)
  await writeFile(checksums, lines)
  t.match(await run('restore', to, '--backup', id), { code: 0 })
})

test('database and packages are restored to where the settings say', async (t) => {
  const { to, data } = await makeBackup(t)
  const env = {
    DEPOT_DATA: data,
    DEPOT_DATABASE_URL: `sqlite:${data}-rows/depot.sqlite`,
    DEPOT_BLOBS: `fs:${data}-blobs`,
  }
  t.match(await runHere(['restore', to], env), { code: 0 })
  t.strictSame(
    (await readdir(`${data}-rows`)).filter((name) => name !== 'depot.sqlite'),
    [],
  )
  t.match(await runHere(['verify', '--bytes'], env), { code: 0 })
  const again = { ...env, DEPOT_DATA: `${data}-2`, DEPOT_DATABASE_URL: `sqlite:${data}-2/depot.sqlite` }
  t.match(await runHere(['restore', to], again), { code: 3, stderr: /DEPOT_BLOBS already has packages/ })
})
