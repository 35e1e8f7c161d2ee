import { test } from 'tap'
import { makeOrigin, publishAll } from '../../../support/origin.ts'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { startDepot } from '../../../support/start-depot.ts'

const [OLD, NEW] = ['acme/app/1.0.0/20260101000000', 'acme/app/1.1.0/20260101000000'] as const

async function startFilled(t: Parameters<typeof startDepot>[0]) {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, OLD, NEW)
  return { started, run: commandsOn(started) }
}

test('promote takes idents and the view in either order, and says what changed', async (t) => {
  const { run } = await startFilled(t)
  const first = await run(['promote', OLD, 'union', '--reason', 'first'])
  t.match(first, { code: 0, stderr: '' })
  t.match(first.stdout, /^added +acme\/app\/1\.0\.0\S+/m)
  t.match(first.stdout, /^union is at revision 1\.$/m)
  t.match(JSON.parse((await run(['promote', 'union', NEW, '--json'])).stdout), {
    revision: 2,
    pointers: [{ from: OLD, to: NEW }],
    notes: [/^latest of acme\/app .*moved at/],
  })
  t.match(await run(['promote', 'union', NEW]), { code: 0, stdout: 'union is unchanged, at revision 2.\n' })
  t.match(await run(['promote', 'rehearsal', '--from', 'union@1', '--quiet']), { code: 0, stdout: /^1-/ })
  t.match(await run(['promote', 'rehearsal', '--from', 'union', '--origin', 'acme']), {
    code: 0,
    stdout: /moved/,
  })
})

test('every reason of a refusal is shown', async (t) => {
  const { started, run } = await startFilled(t)
  await run(['promote', NEW, 'union'])
  await run(['gates', 'union', '--set', '-'], {
    stdin: 'downgrade: refuse\nrequires: [{ view: acceptance, as: current }]',
  })
  const { stdout: id } = await run(['plan', 'promote', OLD, 'union', '--quiet'])
  t.match(await run(['apply', id.trim()]), {
    code: 3,
    stderr: /^hart-depot: refused for 2 reasons:\n {2}\S.*acceptance.*\n {2}\S.*\nThose who may override/,
  })
  const guest = commandsOn(started, await started.account('guest'))
  await run(['origin', 'add-member', 'acme', 'guest', '--role', 'maintainer'])
  t.match(await guest(['freeze', 'union', '--reason', 'no']), {
    code: 6,
    stderr:
      /guest may not freeze or thaw union: only administrators may, and the promoters that its gates name/,
  })
})

test('promote refuses wrong arguments before it asks the depot', async (t) => {
  const env = { HART_DEPOT_URL: 'http://127.0.0.1:1' }
  for (const args of [
    ['union'],
    [OLD],
    [OLD, 'union', 'rehearsal'],
    [OLD, 'union', '--from', 'rehearsal'],
    ['union', '--from'],
    [OLD, 'union', '--origin', 'acme'],
  ])
    t.match(await runCommand(['promote', ...args], { env }), { code: 2, stdout: '' }, args.join(' '))
})

test('exit codes tell what stopped a promotion', async (t) => {
  const { started, run } = await startFilled(t)
  t.match(await run(['promote', OLD, 'nowhere']), { code: 5 })
  t.match(await run(['promote', 'acme/app/9.9.9/20260101000000', 'union']), { code: 5 })
  t.match(await commandsOn(started, await started.account('guest'))(['promote', OLD, 'union']), { code: 6 })
  t.match(await run(['promote', OLD, 'union', '--url', `${started.url}/v1/depot/views/union`]), {
    code: 2,
    stderr: /can only be read/,
  })
  t.match(await runCommand(['promote', OLD, 'union', '--url', 'http://127.0.0.1:1']), {
    code: 7,
    stderr: /nothing listens|allows no HTTP/,
  })
  await started.depot.writer.submit({
    kind: 'freeze',
    input: { view: 'union', reason: 'stocktaking' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await run(['promote', OLD, 'union']), {
    code: 3,
    stderr: /blocked by freeze: .*stocktaking.*hart-depot thaw .*--override REASON/s,
  })
  const planned = (await run(['plan', 'promote', OLD, 'union'])).stdout
  t.match(planned, /is blocked\. hart-depot thaw .*hart-depot apply \S+ --override REASON/)
  t.notMatch(planned, /can be applied/)
  const [, id = ''] = /hart-depot apply (\S+)/.exec(planned) ?? []
  const refused = await run(['apply', id])
  t.match(refused, { code: 3, stderr: /stocktaking\. hart-depot thaw .*--override REASON/ })
  t.match(await run(['promote', OLD, 'union', '--override', 'urgent', '--reason', 'fix']), {
    code: 0,
    stdout: /^overridden: .*stocktaking/m,
  })
  t.match((await run(['history', 'union'])).stdout, / OVERRIDE: urgent; fix$/m)
  for (const args of [['events'], ['events', '--view', 'union']])
    t.match((await run(args)).stdout, /promotion .*OVERRIDE: urgent$/m)
})

test('a table fits a terminal of 60 columns', async (t) => {
  const { run } = await startFilled(t)
  const { stdout } = await run(['promote', OLD, 'union', '--yes'], { columns: 20, env: { NO_COLOR: '1' } })
  for (const line of stdout.split('\n')) t.ok(line.length <= 60, line)
})
