import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { NEW, OLD, OTHER, json, startMoved } from '../../../support/views/view-scene.ts'

test('history lists revisions, newest first', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await json(run, 'history', 'union'), [{ revision: 3 }, { revision: 2 }, { revision: 1 }])
  t.match(await run(['history', 'union', '-L', '1', '--quiet']), { code: 0, stdout: '3\n' })
  started.setClock(Date.parse('2026-01-01T05:00:00Z'))
  await run(['rollback', 'union', '--reason', 'drill'])
  const now = Date.parse('2026-01-01T06:00:00Z')
  t.match(await run(['history', 'union', '--since', '2h', '--quiet'], { now }), { stdout: '4\n' })
  t.match(await run(['history', 'union', '--since', '1w']), { stdout: /^4 .* rollback +admin .* drill$/m })
  t.match(await run(['history', 'union', '--since', '2 hours']), { code: 2 })
  t.match(await run(['history', 'nowhere']), { code: 5 })
})

test('diff compares views and states of views', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await json(run, 'diff', 'union@1', 'union'), {
    from: { revision: 1 },
    to: { revision: 3 },
    differences: [
      { change: 'moved', from: OLD, to: NEW },
      { change: 'added', to: OTHER },
    ],
  })
  t.match(await run(['diff', 'union', 'union@1']), { code: 0, stdout: /^downgraded +acme\/app +1\.1\.0/m })
  t.match(await run(['diff', 'union', 'rehearsal', '--exit-code', '--quiet']), { code: 8, stderr: '' })
  t.match(await run(['diff', 'union@2', 'union', '--name', 'app', '--exit-code']), {
    code: 0,
    stdout: /do not differ/,
  })
})

test('tables fit a terminal of 60 columns', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  await run(['rollback', 'union', '--reason', 'a long reason that does not fit into a narrow terminal'])
  for (const args of [
    ['views'],
    ['view', 'union'],
    ['history', 'union'],
    ['diff', 'union@1', 'union@3'],
    ['events'],
    ['plan', 'rollback', 'union', '--to', '1'],
  ]) {
    const { code, stdout } = await run(args, { columns: 60, env: { NO_COLOR: '1' } })
    const rows = stdout.split('\n').filter((line) => line.includes('  '))
    t.equal(code, 0)
    t.ok(rows.length > 1, args.join(' '))
    t.strictSame(
      rows.filter((row) => row.length > 60),
      [],
      args.join(' '),
    )
  }
})

test('lockfile prints a state of a view, which promote takes into another', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-lockfile-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { code, stdout } = await run(['lockfile', 'union@1'])
  t.equal(code, 0)
  t.match(stdout, new RegExp(`^hart-depot-lock 1\n.*\nview union\nrevision 1\n[^]*${OLD}`))
  t.notMatch(stdout, NEW)
  const file = join(folder, 'union.lock')
  await writeFile(file, stdout)
  t.match(await run(['promote', 'rehearsal', '--lockfile', file]), { code: 0 })
  t.match((await run(['view', 'rehearsal', '--quiet'])).stdout, OLD)
  t.match(await json(run, 'lockfile', 'union'), { view: 'union', lockfile: /^hart-depot-lock 1\n/ })
  t.match(await run(['lockfile', 'nowhere']), { code: 5 })
})
