import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import type { Test } from 'tap'
import { runCommand } from '../../../support/command.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'

const FIXTURE = new URL('../../../fixtures/databases/schema-14.json.gz', import.meta.url)

/** A data folder that an earlier version wrote, and commands on it. */
async function oldDepot(t: Test) {
  const folder = await scratchFolder(t)
  const { files } = JSON.parse(gunzipSync(await readFile(FIXTURE)).toString()) as {
    files: Readonly<Record<string, string>>
  }
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), Buffer.from(content, 'base64'), { mode: 0o600 })
  }
  const file = join(folder, 'depot.sqlite')
  const change = (sql: string) => void new BetterSqlite3(file).exec(sql).close()
  const schema = () => {
    const connection = new BetterSqlite3(file, { readonly: true })
    try {
      return connection.prepare('SELECT sql FROM sqlite_schema ORDER BY name').pluck().all()
    } finally {
      connection.close()
    }
  }
  return { folder, change, schema, run: (...args: string[]) => runHere(args, { DEPOT_DATA: folder }) }
}

test('migrate --check tells what an upgrade would do, and changes nothing', async (t) => {
  const { folder, schema, run } = await oldDepot(t)
  const filesIn = async () => (await readdir(folder)).filter((name) => !/-(wal|shm)$/.test(name))
  const [before, files] = [schema(), await filesIn()]
  const checked = await run('migrate', '--check')
  t.match(checked, { code: 0, stderr: '' })
  t.match(checked.stdout, /^The upgrade would take these steps:\n {2}0015-clock\.sql\n/)
  t.match(
    checked.stdout,
    /\nOn a copy of the database it succeeded, in \d+\.\d s\. .* Nothing was changed\.\n$/,
  )
  t.strictSame(schema(), before)
  t.strictSame(await filesIn(), files)

  t.match(await run('backup', `${folder}-backups`), { code: 1, stderr: /an older hart-depot/ })
  t.match(await run('migrate'), { code: 0, stdout: /^upgraded the database:\n {2}0015-/ })
  t.match(await run('migrate', '--check'), { code: 0, stdout: /there is nothing to upgrade/ })
  t.match(JSON.parse((await run('migrate', '--json')).stdout), { migrations: [], upgraded: false })
  t.match(await run('verify'), { code: 0 })
})

test('migrate --check that a signal ends leaves no copy of the database', async (t) => {
  const { folder } = await oldDepot(t)
  const files = await readdir(folder)
  const ended = await runCommand(['migrate', '--check'], {
    env: { DEPOT_DATA: folder },
    signal: AbortSignal.abort('SIGINT'),
  })
  t.strictSame(ended, { code: 130, stdout: '', stderr: '' })
  t.strictSame(
    (await readdir(folder)).filter((name) => !/-(wal|shm)$/.test(name)),
    files,
  )
})

test('an upgrade that fails at its last step leaves the database as it was', async (t) => {
  const { change, schema, run } = await oldDepot(t)
  change('CREATE TABLE changes (id INTEGER PRIMARY KEY) STRICT') // which 0025-changes.sql creates
  const before = schema()
  for (const args of [['migrate', '--check'], ['migrate']]) {
    t.match(await run(...args), {
      code: 1,
      stdout: '',
      stderr: /0025-changes\.sql failed: table changes already exists\. The database is as it was/,
    })
    t.strictSame(schema(), before, args.join(' '))
  }
  change('DROP TABLE changes')
  t.match(await run('migrate'), { code: 0 })
})

test('migrate refuses the database of a newer version', async (t) => {
  const { change, run } = await oldDepot(t)
  t.match(await run('migrate'), { code: 0 })
  change("INSERT INTO migrations VALUES (9999, '9999-later.sql', 'x', 0)")
  for (const command of ['migrate --check', 'migrate', 'backup /nowhere', 'verify'])
    t.match(
      await run(...command.split(' ')),
      { code: 1, stderr: /made by a newer hart-depot: it has 9999-later\.sql/ },
      command,
    )
})
