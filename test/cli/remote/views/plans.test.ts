import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { NEW, OLD, OTHER, json, startMoved } from '../../../support/views/view-scene.ts'

test('a plan takes the arguments of the change, and apply makes it', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const shown = await run(['plan', 'promote', 'rehearsal', '--from', 'union@1', '--exit-code'])
  t.match(shown, { code: 8, stderr: '' })
  t.match(shown.stdout, /^added +acme\/app\/1\.0\.0/m)
  const [, id = ''] = /hart-depot apply (\S+)$/m.exec(shown.stdout) ?? []
  t.match(await run(['apply', id, '--reason', 'as planned']), {
    code: 0,
    stdout: /rehearsal is at revision 1\./,
  })
  t.match(await run(['plan', 'promote', 'rehearsal', OLD, '--exit-code']), {
    code: 0,
    stdout: /would not change/,
  })
  t.match(await json(run, 'plan', 'revert', 'union', '3'), {
    act: 'revert',
    of: 3,
    releases: [{ ident: OTHER }],
  })
  t.match(await json(run, 'plan', 'set-rule', 'union', 'highest'), { act: 'set-rule', rule: 'highest' })
  t.match(await run(['plan', 'set-rule', 'union', 'highest', '--exit-code']), { code: 8 })
  t.match(await run(['plan', 'demote', OTHER, 'union', '--quiet']), { code: 0, stdout: /^\S+\n$/ })
  t.match(await run(['apply', 'nonsense']), { code: 5 })
})

test('a plan that has become stale is not applied', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const { plan } = await json<{ plan: string }>(run, 'plan', 'rollback', 'union')
  await run(['demote', NEW, 'union'])
  const refused = await run(['apply', plan])
  t.match(refused, { code: 4, stdout: '', stderr: /Nothing was changed\n$/ })
  const [, next = ''] = /hart-depot apply (\S+)$/m.exec(refused.stderr) ?? []
  t.match(await run(['plan', 'show', next]), { code: 0, stdout: refused.stderr.split('\n')[0] })
  t.match(await run(['apply', next]), { code: 0 })
  t.match(await run(['plan', 'show', next]), { stdout: /is applied\.$/m })
})

test('rollback undoes the last move, of the whole view or of a package', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const [package_, whole] = [
    await run(['rollback', 'union', '--name', 'app']),
    await run(['plan', 'rollback', 'union', '--to', '2']),
  ]
  t.match(package_, { code: 0, stdout: /^downgraded +acme\/app\/1\.0\.0/m })
  t.match(package_.stdout, /^latest moves down: .*track-channel/m, 'says who will not follow')
  t.match(whole.stdout, /^removed +acme\/lib/m)
  t.match(await run(['revert', 'union', '4', '--reason', 'drill over']), {
    code: 0,
    stdout: /union is at revision 5/,
  })
  t.match(await run(['rollback', 'union', '--to', 'yesterday']), { code: 2 })
  t.match(await run(['revert', 'union', 'x']), {
    code: 2,
    stderr: /the revision must be a number such as 41/,
  })
  t.match(await run(['rollback', 'delivered']), { code: 1, stderr: /nothing has moved in delivered/ })
  t.match(await run(['rollback', 'union', '--to', '99']), { code: 5 })
})

test('demote and set-rule change a view', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  t.match(await json(run, 'demote', 'union', NEW, OTHER), {
    revision: 4,
    pointers: [{ package: 'acme/app' }, {}],
  })
  t.match(await run(['set-rule', 'union', 'highest']), { code: 0, stdout: /union is at revision 5/ })
  t.match(await run(['set-rule', 'union', 'highest']), {
    code: 0,
    stdout: 'union is unchanged, at revision 5.\n',
  })
  t.match(await run(['set-rule', 'union', 'lowest']), { code: 2 })
})

test('a table shows how latest moves when a release is yanked or leaves', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const [old, new_, other] = [OLD, NEW, OTHER].map((ident) => ident.split('/').slice(2).join('/'))
  t.match(await run(['demote', 'union', OLD]), { stdout: new RegExp(`^removed +${OLD} +unchanged `, 'm') })
  t.match(await run(['demote', 'union', OTHER]), {
    stdout: new RegExp(`^removed +${OTHER} +${other} → none `, 'm'),
  })
  await run(['promote', 'union', OLD])
  t.match(await run(['set-rule', 'union', 'highest']), {
    stdout: new RegExp(`^moved +${NEW} +${old} → ${new_} `, 'm'),
  })
  const { stdout } = await run(['yank', NEW, '--reason', 'it crashes'])
  t.match(
    stdout,
    new RegExp(`^skipped +${NEW} +${new_} → ${old} .*\ndowngraded +${OLD} +${new_} → ${old} `, 'm'),
  )
  t.match(await run(['yank', OLD, '--reason', 'it crashes']), {
    stdout: new RegExp(`^skipped +${OLD} +${old} → none `, 'm'),
  })
})

test('a view that needs approval takes proposals', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const second = commandsOn(started, await started.account('second'))
  await started.depot.writer.submit({
    kind: 'setGates',
    input: { view: 'union', gates: { approval: { approvers: ['second'], expiresMs: 600_000 } } },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await run(['rollback', 'union']), { code: 3, stderr: /blocked by approval.*propose rollback/s })
  const proposed = await json<{ plan: string }>(run, 'propose', 'rollback', 'union', '--reason', 'it crashes')
  t.match(await run(['proposals']), { code: 0, stdout: /it crashes/ })
  t.match(await run(['proposals', 'union', '--quiet']), { stdout: `${proposed.plan}\n` })
  t.match(await run(['approve', proposed.plan]), { code: 3 }, 'its author cannot approve it')
  t.match(await second(['approve', proposed.plan]), { code: 0, stdout: /union is at revision 4/ })
  const { plan } = await json<{ plan: string }>(run, 'propose', 'demote', 'union', OLD)
  t.match(await run(['reject', plan, '--reason', 'not today']), { code: 0, stdout: /demote in union/ })
  t.match(await run(['proposals']), { code: 0, stdout: 'There are no proposals.\n' })
  t.match(await json(run, 'proposals', '--all'), [{ state: 'rejected' }, { state: 'applied' }])
})

const at = { env: { NO_COLOR: '1' } }

test('at a terminal, a change is shown and made only after a yes', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const declined = await run(['rollback', 'union', '--name', 'app'], { ...at, typed: 'maybe y\r' })
  t.match(declined, { code: 1, stdout: '', stderr: /nothing was changed/ })
  t.match(declined.stderr, /^downgraded +acme\/app\/1\.0\.0.*latest moves down.*Change union\?/ms)
  t.match(await run(['history', 'union', '--quiet']), { stdout: '3\n2\n1\n' })
  t.match(await run(['rollback', 'union', '--name', 'app'], { ...at, typed: 'yes\r' }), {
    code: 0,
    stdout: /^union is at revision 4\.$/m,
  })
  const { plan } = await json<{ plan: string }>(run, 'plan', 'revert', 'union', '4')
  t.match(await run(['apply', plan], { ...at, typed: 'n\r' }), { code: 1, stderr: /Change union\?/ })
  t.match(await run(['apply', plan], { ...at, typed: '\u0003' }), { code: 130 }, 'Ctrl-C')
  t.match(await run(['apply', plan], { ...at, typed: 'yes\r' }), { code: 0 })
})
