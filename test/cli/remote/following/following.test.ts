import { test } from 'tap'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { NEW, OLD, OTHER, json, startMoved } from '../../../support/views/view-scene.ts'

test('events shows the ledger, filtered', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const all = await json<{ sequence: number; kind: string }[]>(
    run,
    'events',
    '--kind',
    'promotion',
    '--view',
    'union',
  )
  t.equal(all.length, 3)
  for (const wrong of [
    ['--view', 'unoin'],
    ['--origin', 'acmee'],
    ['--follow', '--view', 'unoin'],
  ])
    t.match(await run(['events', ...wrong]), { code: 5, stdout: '', stderr: /there is no/ }, wrong.join(' '))
  t.match(await run(['events']), { code: 0, stdout: /promotion +admin +union promote acme\/app\/1\.1\.0/ })
  const after = String(all[1]?.sequence)
  t.match(await run(['events', '--view', 'union', '--after', after, '--quiet']), {
    stdout: `${all[2]?.sequence}\n`,
  })
})

test('events --follow prints entries as they are committed, until it is interrupted', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const lines: { event: { revision: number } }[] = []
  const stop = new AbortController()
  const follow = run(
    ['events', '--follow', '--json', '--after', '0', '--kind', 'promotion', '--view', 'union'],
    {
      signal: stop.signal,
      onOutput: (text) => {
        lines.push(JSON.parse(text) as (typeof lines)[number])
        if (lines.length === 3) void run(['demote', 'union', OTHER])
        if (lines.length === 4) stop.abort('SIGINT')
      },
    },
  )
  t.match(await follow, { code: 130, stderr: '' })
  t.strictSame(
    lines.map(({ event }) => event.revision),
    [1, 2, 3, 4],
  )
})

test('wait ends as soon as a release is latest', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await run(['wait', NEW, 'union']), { code: 0, stdout: `${NEW} is latest in union.\n` })
  t.match(await run(['wait', 'union', 'acme/app/1.1.0', '--quiet']), { code: 0, stdout: `${NEW}\n` })
  const waiting = run(['wait', OLD, 'union', '--timeout', '30d']) // longer than timers of Node can be
  await run(['promote', 'union', OLD])
  t.match(await waiting, { code: 0 })
})

test('wait exits with 124 when the time is over, and says what is latest', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await run(['wait', OLD, 'union', '--timeout', '0']), {
    code: 124,
    stdout: '',
    stderr: /1\.1\.0\S+ is/,
  })
  t.match(
    await run(['wait', 'acme/app/1.1', 'union', '--timeout', '0']),
    { code: 124 },
    'not a prefix of a version',
  )
  t.match(await run(['wait', OLD, 'rehearsal', '--timeout', '1s']), {
    code: 124,
    stderr: /no release of the package/,
  })
  t.match(await run(['wait', OLD, 'nowhere', '--timeout', '0']), { code: 5 })
  t.match(await run(['wait', OLD, 'union', '--timeout', 'long']), { code: 2 })
  t.match(await runCommand(['wait', OLD, 'union', '--timeout', '0', '--url', 'http://127.0.0.1:1']), {
    code: 7,
  })
})

test('wait --settled ends when latest may move again, by the clock of the client', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const settled = (now: number, timeout: string) =>
    run(['wait', 'acme/app', 'union', '--settled', '--timeout', timeout], { now })
  const now = started.depot.now()
  t.match(await settled(now + 119_000, '0'), { code: 124, stderr: /moved a short time ago/ })
  t.match(await settled(now + 121_000, '0'), { code: 0 })
  t.match(await settled(now, '1m'), { code: 0, stdout: `${NEW} is latest in union.\n` })
  t.match(await run(['wait', NEW, 'union', '--settled', '1h', '--timeout', '0'], { now: now + 121_000 }), {
    code: 124,
  })
})
