import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { importInto, membersOf } from '../../../support/copies/import.ts'
import { NEWER, startSource } from '../../../support/copies/import-source.ts'
import { startProxy } from '../../../support/http/proxy.ts'
import { run, scratchFolder } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'

const HART_DEPOT_TOKEN = ADMIN_TOKEN

test('an import that was killed is completed by the next one, and SIGTERM leaves no files', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const TMPDIR = await scratchFolder(t)
  const stuck = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? 'ignore' : 'pass',
  )
  for (const [signal, left] of [
    ['SIGTERM', 0],
    ['SIGKILL', 1],
  ] as const) {
    const asked = stuck.asked.length
    const running = run(['import-builder', stuck.url, '--to', destination.url, '--origin', 'acme'], {
      HART_DEPOT_TOKEN,
      TMPDIR,
    })
    await running.hears('stderr', /^copying releases/m)
    await stuck.hears((what, index) => index >= asked && what.includes(`${NEWER}/download`))
    running.process.kill(signal)
    await running.ended
    t.equal((await readdir(TMPDIR)).length, left, signal)
  }
  const { copied, failures } = await importInto(destination, source.url)
  t.strictSame(failures, [])
  t.match(copied, { origins: 0, keys: 0 })
  for (const view of ['stable', 'acceptance', 'nightly'])
    t.strictSame(
      await membersOf(destination, view),
      (await membersOf(source, view)).filter((name) => name.startsWith('acme/')),
      view,
    )
})
