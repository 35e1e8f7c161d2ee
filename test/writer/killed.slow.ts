import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { listAccounts } from '../../src/accounts/account-store.ts'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import { listChanges } from '../../src/changes/change-store.ts'
import { FIRST_HEAD, link } from '../../src/ledger/chain.ts'
import { startDepot } from '../support/start-depot.ts'

const SCRIPT = fileURLToPath(new URL('../support/faults/change-until-killed.ts', import.meta.url))

test('after kill -9, the depot opens with every acknowledged change and no partial one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-killed-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, [SCRIPT, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line)
    if (acknowledged.length === 30) child.kill('SIGKILL')
  }
  if (child.signalCode === null) await once(child, 'exit')
  t.equal(child.signalCode, 'SIGKILL')

  const { depot } = await startDepot(t, { folder })
  const accounts = new Set((await listAccounts(depot.db)).map(({ name }) => name))
  const page = { before: Number.MAX_SAFE_INTEGER, limit: 1_000, audience: UNRESTRICTED_AUDIENCE }
  const changes = await listChanges(depot.db, { state: 'passed' }, page)
  const found = new Set([...accounts, ...changes.map(({ change }) => change)])
  t.strictSame(
    acknowledged.filter((name) => !found.has(name)),
    [],
  )
  const entries = await depot.db.selectFrom('ledger').selectAll().orderBy('sequence').execute()
  let head = FIRST_HEAD
  for (const { sequence, at, text, salt, hash } of entries) {
    if (sequence !== head.sequence + 1 || link(head, text, salt).hash !== hash)
      t.fail(`the chain breaks at ${sequence}`)
    head = { sequence, at, hash }
  }
  t.equal(entries.filter(({ kind }) => kind === 'account-added').length, accounts.size)
})
