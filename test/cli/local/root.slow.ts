import { lchown, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { publishAll } from '../../support/origin.ts'
import { NEW, backupScene } from '../../support/copies/backups.ts'
import { runHere, scratchFolder } from '../../support/run-cli.ts'

// The runbooks run commands as root, on the folders of a depot that runs as another user. Only root can give
// files to another user.

const DEPOT_USER = 65_534

if (process.geteuid?.() === 0) {
  test('commands of root leave no file that the user of the depot cannot use', async (t) => {
    const { started, app, to, run } = await backupScene(t)
    await mkdir(to)
    await give(to)
    t.match(await run('backup', to, '--with-secret-key'), { code: 0 })
    t.strictSame(await filesOfOthers(to), [], 'a backup')

    await give(started.folder)
    await rm(started.depot.blobs.storage.placeOf(app.checksum))
    t.match(await run('verify', '--repair', '--from', to), { code: 0 })
    t.strictSame(await filesOfOthers(started.folder), [], 'a repair')

    await publishAll(started, NEW)
    t.match(await run('backup', to, '--with-secret-key', '--keep', '1'), { code: 0 })
    t.strictSame(await filesOfOthers(to), [], 'another backup')

    const DEPOT_DATA = join(await scratchFolder(t), 'restored')
    await mkdir(DEPOT_DATA)
    await give(DEPOT_DATA)
    t.match(await runHere(['restore', to], { DEPOT_DATA }), { code: 0 })
    t.strictSame(await filesOfOthers(DEPOT_DATA), [], 'a restore')
    t.match(await runHere(['account', 'add', 'ci'], { DEPOT_DATA }), { code: 0 })
    t.match(await runHere(['secret-key', 'rotate'], { DEPOT_DATA }), { code: 0 })
    t.strictSame(await filesOfOthers(DEPOT_DATA), [], 'commands while no server runs')
  })

  test('a depot that root makes in the folder of another user is a depot of this user', async (t) => {
    const DEPOT_DATA = await scratchFolder(t)
    await give(DEPOT_DATA)
    t.match(await runHere(['account', 'add', 'ci'], { DEPOT_DATA }), { code: 0 })
    t.strictSame(await filesOfOthers(DEPOT_DATA), [])

    t.match(await runHere(['serve'], { DEPOT_DATA }), {
      code: 6,
      stderr: /depot.sqlite belongs to nobody, who could not read .* To run as its owner: sudo -u nobody env/,
    })
    t.match(await runHere(['doctor'], { DEPOT_DATA }), { code: 0 })
    await lchown(join(DEPOT_DATA, 'blobs', 'spool'), 0, 0)
    t.match(await runHere(['doctor'], { DEPOT_DATA }), {
      code: 1,
      stdout: /spool belongs to root, and the database to nobody: chown -R gives/,
    })
  })
}

/** Gives a folder and all files below it to the user of the depot. */
async function give(folder: string): Promise<void> {
  for (const path of await pathsBelow(folder)) await lchown(path, DEPOT_USER, DEPOT_USER)
}

/** Lists the files in a folder that do not belong to the user of the depot. */
async function filesOfOthers(folder: string): Promise<string[]> {
  const others: string[] = []
  for (const path of await pathsBelow(folder)) if ((await stat(path)).uid !== DEPOT_USER) others.push(path)
  return others
}

async function pathsBelow(folder: string): Promise<string[]> {
  return [folder, ...(await readdir(folder, { recursive: true })).map((name) => join(folder, name))]
}
