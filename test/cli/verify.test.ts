import { once } from 'node:events'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { makeReleases, move } from '../support/release-rows.ts'
import { runToEnd, scratchFolder, startServer } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'

test('verify tells what it counted and the head, and names what someone changed with exit code 1', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const started = await startDepot(t, { folder: DEPOT_DATA })
  await move(started, 'promote', 'delivered', await makeReleases(started, 'acme/app/1.0.0/20260101000000'))
  await started.close()

  const agreed = await runToEnd(['verify'], { DEPOT_DATA })
  t.match(agreed, { code: 0, stderr: '' })
  t.match(
    agreed.stdout,
    /^ENTRIES +PROMOTIONS +VIEWS +MEMBERSHIPS +POINTERS\n\d+ +2 +7 +2 +2\n\nhead \d+ {2}[0-9a-f]{64} {2}2026-01-01T00:00:00Z\n\nthe ledger, the views and their past agree\n$/,
  )
  const [, sequence, hash] = /^head (\d+) {2}(\w+)/m.exec(agreed.stdout) ?? []
  const json = await runToEnd(['verify', '--json'], { DEPOT_DATA })
  t.match(json, { code: 0, stderr: '' })
  t.match(JSON.parse(json.stdout), { agrees: true, promotions: 2, views: 7, memberships: 2, head: { sequence: Number(sequence), hash }, findings: [], findings_in_all: 0 })

  new BetterSqlite3(started.depot.config.databaseFile).exec('UPDATE views SET revision = 9 WHERE name = \'delivered\'').close()
  const [text, told] = await Promise.all([runToEnd(['verify'], { DEPOT_DATA }), runToEnd(['verify', '--json'], { DEPOT_DATA })])
  t.match(text, { code: 1, stdout: /\n\nWHERE +WHAT\ndelivered +its row has revision 9, and the ledger 1\n$/, stderr: 'hart-depot: the ledger and the depot differ in one place, as told above\n' })
  t.equal(told.code, 1)
  t.match(JSON.parse(told.stdout), { agrees: false, findings: [{ where: 'delivered', what: 'its row has revision 9, and the ledger 1' }], findings_in_all: 1 })
})

test('verify works beside a running server, and sees one state of it while that changes', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const server = await startServer(t, DEPOT_DATA)
  const changes = Array.from({ length: 4 }, (_, index) => runToEnd(['account', 'add', `a${index}`], { DEPOT_DATA }))
  const [verified] = await Promise.all([runToEnd(['verify', '--json'], { DEPOT_DATA }), ...changes])
  t.match(verified, { code: 0, stderr: '' })
  t.match(JSON.parse(verified.stdout), { agrees: true, views: 7 })
  server.process.kill('SIGTERM')
  await once(server.process, 'exit')
  t.match(await runToEnd(['verify'], { DEPOT_DATA }), { code: 0, stderr: '' })
})

test('verify of nothing, or typed wrong, says so', async (t) => {
  const DEPOT_DATA = `${await scratchFolder(t)}/nothing`
  t.match(await runToEnd(['verify'], { DEPOT_DATA }), { code: 1, stdout: '', stderr: /^hart-depot: there is no depot in \S+ yet\n$/ })
  t.match(await runToEnd(['verify', '--quickly'], { DEPOT_DATA }), { code: 2, stdout: '', stderr: /usage: hart-depot verify \[--json\]\n$/ })
})
