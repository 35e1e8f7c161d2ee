import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { latestIn } from '../../../support/copies/import.ts'
import { NEWER, pullFrom, startDestination, startPullSource } from '../../../support/copies/pull.ts'
import { startProxy } from '../../../support/http/proxy.ts'
import { run, runHere, scratchFolder } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN } from '../../../support/start-depot.ts'

const HART_DEPOT_TOKEN = ADMIN_TOKEN
const { source } = await startPullSource(tap)

test('a pull that was killed is completed by the next one, and SIGTERM leaves no files', async (t) => {
  const destination = await startDestination(t, source)
  const TMPDIR = await scratchFolder(t)
  const folder = join(TMPDIR, 'saved')
  await mkdir(folder)
  const stuck = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? 'ignore' : 'pass',
  )
  const isStuck = async (from: number) =>
    stuck.hears((what, index) => index >= from && what.includes(`${NEWER}/download`))
  for (const [signal, left] of [
    ['SIGTERM', 1],
    ['SIGKILL', 2],
  ] as const) {
    const asked = stuck.asked.length
    const running = run(['pull', stuck.url, '--view', 'delivered', '--to', destination.url], {
      HART_DEPOT_TOKEN,
      TMPDIR,
    })
    await isStuck(asked)
    running.process.kill(signal)
    await running.ended
    t.equal((await readdir(TMPDIR)).length, left, signal)
  }
  t.strictSame(await latestIn(destination, 'delivered'), [], 'nothing was promoted')
  t.match((await pullFrom(source.url, destination)).pulled, {
    origins: 0,
    keys: 0,
    promotion: { revision: 1, changed: true },
  })

  const asked = stuck.asked.length
  const saving = run(['pull', stuck.url, '--view', 'delivered', '--save', folder])
  await isStuck(asked)
  saving.process.kill('SIGKILL')
  await saving.ended
  t.notOk((await readdir(folder)).includes('lockfile'))
  t.match(await runHere(['pull', source.url, '--view', 'delivered', '--save', folder]), {
    code: 0,
    stdout: /^Saved [123] of 3 releases/,
  })
  t.strictSame((await readdir(folder)).toSorted(), ['depot.key', 'harts', 'lockfile'])
})
