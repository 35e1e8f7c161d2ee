import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { sqliteFileOf } from '../../../../src/config/database.ts'
import { FIRST_HEAD, link } from '../../../../src/ledger/chain.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { makeView } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

/** Changes an entry and makes the chain consistent again, as somebody may who can write the database. */
function rewriteHistory(file: string, from: string, to: string): void {
  const database = new BetterSqlite3(file)
  let head = FIRST_HEAD
  const rows = database.prepare('SELECT sequence, salt, text FROM ledger ORDER BY sequence').all() as {
    sequence: number
    salt: string
    text: string
  }[]
  for (const { sequence, salt, text } of rows) {
    const rewritten = text.replaceAll(from, to)
    const { digest, hash } = link(head, rewritten, salt)
    database
      .prepare('UPDATE ledger SET text = ?, digest = ?, hash = ? WHERE sequence = ?')
      .run(rewritten, digest, hash, sequence)
    head = { sequence, hash, at: 0 }
  }
  database.close()
}

test('a checkpoint tells that history was rewritten, also if the hash chain was made anew', async (t) => {
  const folder = await scratchFolder(t)
  const at = { DEPOT_DATA: folder, DEPOT_PUBLIC_URL: 'https://depot.example/' }
  const started = await startDepot(t, { folder })
  await makeView(started, 'first', 'promoted')
  await started.close()
  const taken = await runHere(['ledger', 'checkpoint'], at)
  t.match(taken, {
    code: 0,
    stdout: /^depot\.example\/ledger\n\d+\n.{44}\n\n— depot\.example\/ledger [^ ]+\n$/,
  })
  const key = (await runHere(['ledger', 'checkpoint', '--verifier-key'], at)).stdout.trim()
  const file = join(folder, 'checkpoint')
  await writeFile(file, taken.stdout)
  const verify = (...more: string[]) => runHere(['verify', '--checkpoint', file, ...more], at)

  const later = await startDepot(t, { folder })
  await makeView(later, 'second', 'promoted')
  await later.close()
  t.match(await verify(), { code: 0, stdout: /the ledger begins with the \d+ entries of the checkpoint/ })
  t.match(await verify('--verifier-key', key), { code: 0 })
  t.match(await runHere(['verify', '--verifier-key', key], at), { code: 2 })

  t.match(await runHere(['key', 'rotate'], at), { code: 0 })
  t.match(await verify(), { code: 0 }, 'an earlier key of the depot is enough')
  const { id } = JSON.parse((await runHere(['key', 'show', '--json'], at)).stdout) as { id: string }
  t.match(await runHere(['key', 'revoke', id], at), { code: 3, stderr: /signs: make a new key first/ })

  const databaseFile = sqliteFileOf(started.depot.config)
  rewriteHistory(databaseFile, '"client":', '"client" :')
  t.match(await runHere(['verify'], at), { code: 0 }, 'the chain alone tells nothing')
  t.match(await verify(), {
    code: 1,
    stdout: /the checkpoint +the first \d+ entries .* are not those that were signed/,
  })
  rewriteHistory(databaseFile, '"client" :', '"client":')
  t.match(await verify(), { code: 0 })

  const other = generatedKey(databaseFile)
  t.match(await runHere(['key', 'revoke', other], at), { code: 0 })
  t.match(await verify(), { code: 1, stderr: /none of the known keys signed the note/ })
  t.match(await verify('--verifier-key', key), { code: 0 })

  new BetterSqlite3(databaseFile).exec('DELETE FROM ledger WHERE sequence > 2').close()
  t.match(await verify('--verifier-key', key), {
    stdout: /the checkpoint +it has \d+ entries, but the ledger ends at 2: the last ones were removed/,
  })
})

/** Returns the id of the oldest key of the depot. */
function generatedKey(file: string): string {
  const database = new BetterSqlite3(file, { readonly: true })
  const { id } = database.prepare('SELECT id FROM depot_keys ORDER BY created_at').get() as { id: string }
  database.close()
  return id
}

test('a ledger without a public URL is named by its first entry, and a broken one is not signed', async (t) => {
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder })
  await started.close()
  const at = { DEPOT_DATA: folder }
  t.match(await runHere(['ledger', 'checkpoint', '--json'], at), {
    stdout: /"origin": "hart-depot\/[0-9a-f]{16}\/ledger"/,
  })
  const databaseFile = sqliteFileOf(started.depot.config)
  new BetterSqlite3(databaseFile)
    .exec("INSERT INTO depot_state (name, value) VALUES ('incarnation', '0123456789abcdef')")
    .close()
  t.match(
    await runHere(['ledger', 'checkpoint'], at),
    { stdout: /^hart-depot\/[0-9a-f]{16}\/ledger\/0123456789abcdef\n/ },
    'a restored ledger has another name',
  )
  new BetterSqlite3(databaseFile).exec("UPDATE ledger SET hash = 'x' WHERE sequence = 2").close()
  t.match(await runHere(['ledger', 'checkpoint'], at), {
    code: 3,
    stderr: /entry 2 of the ledger does not follow/,
  })
})
