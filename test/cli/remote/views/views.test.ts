import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { NEW, OLD, OTHER, json, startMoved } from '../../../support/views/view-scene.ts'

test('view shows what is latest, now and in the past', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await run(['view', 'union', '--quiet']), { code: 0, stdout: `${NEW}\n${OTHER}\n`, stderr: '' })
  t.match(await run(['view', 'union@1', '--quiet']), { stdout: `${OLD}\n` })
  t.match(await run(['view', 'union', '--name', 'lib']), {
    stdout: /^union at revision 3\b.*\n.*\nacme\/lib/,
  })
  t.match(await json(run, 'view', 'union@2'), { view: 'union', revision: 2, pointers: [{ ident: NEW }] })
  t.match(await run(['view', 'nowhere']), { code: 5, stdout: '' })
})

test('views are created and closed', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await json(run, 'view', 'create', 'canary', '--rule', 'highest'), {
    name: 'canary',
    rule: 'highest',
  })
  t.match(await run(['view', 'create', 'canary']), { code: 3 })
  t.match(await run(['view', 'create', 'other', '--rule', 'lowest']), { code: 2 })
  t.match(await commandsOn(started, await started.account('guest'))(['view', 'create', 'mine']), { code: 6 })
  const { plan } = await json<{ plan: string }>(run, 'plan', 'rollback', 'union')
  await started.app.inject({
    method: 'POST',
    url: '/api/v1/views/union/previews',
    headers: { authorization: `Bearer administrator-token-of-the-tests` },
    payload: { name: 'union.tomorrow', plan },
  })
  t.match(await run(['view', 'union.tomorrow', '--quiet']), { stdout: `${NEW}\n` })
  t.match(await run(['view', 'close', 'union.tomorrow']), { code: 0, stdout: /Closed/ })
  t.match(await run(['view', 'close', 'union.tomorrow']), { code: 5, stderr: /"union\.tomorrow" is closed/ })
  t.match(await run(['view', 'union.tomorrow']), { code: 0, stdout: /^union\.tomorrow, closed .*Z, at / })
})

test('a freeze refuses changes until it ends', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const now = Date.parse('2026-01-01T06:00:00Z')
  const frozen = await run(['freeze', 'union', '--until', '6h', '--reason', 'audit'], { now })
  t.match(frozen, { code: 0, stdout: 'union is frozen until 2026-01-01T12:00:00Z: audit\n' })
  t.match(await run(['promote', 'union', OLD]), { code: 3, stderr: /audit/ })
  t.match(await run(['view', 'union']), { stdout: /frozen now: audit/ })
  t.match(await run(['thaw', 'union']), { code: 0, stdout: /Ended the freeze of union/ })
  for (const args of [['union'], ['unstable'], ['union', '--name', 'app'], ['--all']])
    t.match(await run(['thaw', ...args]), { code: 0, stdout: / not frozen/ }, args.join(' '))
  t.match(await run(['freeze', '--all', '--name', 'app', '--reason', 'it crashes']), { code: 0 })
  t.match(await run(['promote', 'union', OLD]), { code: 3, stderr: /it crashes/ })
  t.match(await run(['thaw', '--all', '--name', 'app', '--override', 'customers are down']), { code: 0 })
  t.match(await run(['events', '--json']), { stdout: /customers are down/ })
  t.match(await run(['promote', 'union', OLD]), { code: 0 })
  for (const args of [
    ['union', '--all'],
    [],
    ['union', '--until', 'soon'],
    ['union', '--until', '2126-02-31T00:00:00Z'],
  ])
    t.match(await run(['freeze', ...args, '--reason', 'audit']), { code: 2 }, args.join(' '))
  t.match(await run(['freeze', 'union']), { code: 2, stderr: /--reason/ })
})

test('gates are written as YAML, and read from YAML and JSON', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const file = join(started.folder, 'gates.yml')
  t.match(await run(['gates', 'union']), { code: 0, stdout: '{} # union has no gates\n' })
  await writeFile(file, 'closure: view\nrequires:\n  - view: acceptance\n    as: current\n')
  t.match(await run(['gates', 'union', '--set', file]), { code: 0 })
  const { stdout } = await run(['gates', 'union'])
  t.match(await run(['gates', 'union', '--set', '-'], { stdin: '{}' }), {
    stdout: '{} # union has no gates\n',
  })
  t.match(await run(['gates', 'union', '--set', '-'], { stdin: stdout }), { stdout })
  const second = commandsOn(started, await started.account('second'))
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'second', role: 'maintainer' },
    actor: { client: 'tests', door: 'cli' },
  })
  const strict = 'downgrade: refuse\noverriders:\n  - second\n'
  const lax = 'overriders:\n  - second\n'
  await run(['gates', 'union', '--set', '-'], { stdin: strict })
  t.match(await second(['gates', 'union', '--set', '-'], { stdin: lax }), { code: 6 })
  t.match(await second(['gates', 'union', '--set', '-', '--override', 'drill'], { stdin: lax }), {
    stdout: lax,
  })
  t.match(await second(['freeze', 'union', '--reason', 'audit', '--override', 'drill']), { code: 0 })
  t.match(await second(['thaw', 'union']), { code: 6 })
  t.match(await second(['thaw', 'union', '--override', 'drill']), { code: 0 })
  t.match(await run(['gates', 'union', '--override', 'drill']), { code: 2 })
  await run(['gates', 'union', '--set', '-'], { stdin: stdout })
  const whole = (await run(['gates', 'union', '--json'])).stdout
  t.match(await run(['gates', 'union', '--set', '-', '--json'], { stdin: whole }), { stdout: whole })
})

test('a mistake in a file of gates is told with its line and column', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  for (const [stdin, place] of [
    ['closure: view\nrequires: [', /^hart-depot: stdin, line 2, column 1\d: /],
    [
      'closure: view\nrequires:\n  - view: acceptance\n    as: newest\n',
      /^hart-depot: stdin, line 4, column 9 \(requires\.0\.as\): /,
    ],
    ['- view', /mapping/],
  ] as const)
    t.match(await run(['gates', 'union', '--set', '-'], { stdin }), { code: 2, stdout: '', stderr: place })
  t.match(await run(['gates', 'union', '--set', '-'], { stdin: '\n' }), {
    code: 2,
    stderr: /has no gates: write {}/,
  })
  t.match(await run(['gates', 'union']), { stdout: '{} # union has no gates\n' }, 'nothing was changed')
})

test('a reason cannot manipulate the terminal', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await run(['freeze', 'union', '--reason', 'audit\u001b[2J']), { code: 0 })
  for (const args of [
    ['promote', 'union', OLD],
    ['plan', 'promote', 'union', OLD],
    ['view', 'union'],
    ['gates', 'union'],
  ]) {
    const { stdout, stderr } = await run(args)
    t.match(stdout + stderr, 'audit', args.join(' '))
    t.notMatch(stdout + stderr, '\u001b', args.join(' '))
  }
})
