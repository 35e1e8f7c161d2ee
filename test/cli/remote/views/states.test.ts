import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { NEW, OLD, OTHER, json, startMoved } from '../../../support/views/view-scene.ts'

const STATE = `views:
  staging:
    rule: highest
    gates: { closure: depot }
  union:
    contents:
      - ${OLD}
`

test('plan -f shows what would change, and apply -f changes it', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const file = join(started.folder, 'views.yml')
  await writeFile(file, STATE)
  const shown = await run(['plan', '-f', file, '--exit-code'])
  t.match(shown, { code: 8, stderr: '' })
  const [, id = ''] = /--plan (\w+)$/m.exec(shown.stdout) ?? []
  t.equal(
    shown.stdout.replaceAll(/^ +latest .*\n/gm, ''),
    `+ view staging
    + rule: highest
    + gates.closure: depot

~ view union, at revision 3
    ~ ${NEW} → ${OLD} (x86_64-linux)
    - ${OTHER} (x86_64-linux)

1 to create, 1 to change, 0 to close; 0 as described.
To make exactly these changes: hart-depot apply -f ${file} --plan ${id}
`,
  )
  t.match(shown.stdout, /^ {4}latest moves down: .*track-channel/m, 'says who will not follow')
  t.match(await run(['apply', '-f', file, '--plan', id, '--reason', 'as code']), {
    code: 0,
    stdout: 'Created staging.\nChanged union, which is at revision 4.\n',
    stderr: '',
  })
  t.match(await run(['history', 'union', '-L', '1']), { stdout: /as code/ })
  t.match(await run(['plan', '-f', file, '--exit-code']), { code: 0, stdout: /^No changes/ })
  t.match(await run(['apply', '-f', file]), { code: 0, stdout: /^No changes/ })
  t.match(await run(['apply', '-f', file, '--plan', id]), { code: 0, stdout: /^No changes/, stderr: '' })
  t.match(await run(['apply', '-f', file, '--plan', '0123']), { code: 2, stderr: /"0123" is not the ID/ })
})

test('a plan that has become stale is not applied, and the new one is shown', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const options = { stdin: STATE }
  const { plan } = JSON.parse((await run(['plan', '-f', '-', '--json'], options)).stdout) as { plan: string }
  await run(['demote', 'union', OTHER])
  const refused = await run(['apply', '-f', '-', '--plan', plan], options)
  t.match(refused.stderr, /the same stdin again: hart-depot apply -f - --plan/)
  t.match(refused, { code: 4, stdout: '', stderr: /^~ view union, at revision 4\n.*nothing was changed/ms })
  const [, next = ''] = /--plan (\w+)$/m.exec(refused.stderr) ?? []
  t.match(await run(['apply', '-f', '-', '--plan', next, '--quiet'], options), { stdout: 'staging\nunion\n' })
})

test('what export writes is what plan -f reads', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  await run(['gates', 'union', '--set', '-'], {
    stdin:
      'requires: [{ view: acceptance, as: current, soak_seconds: 60 }]\npromoters: [admin]\napproval: {}\n',
  })
  for (const args of [['export'], ['export', '--contents'], ['export', 'union', 'stable', '--contents']]) {
    const { stdout, code } = await run(args)
    t.equal(code, 0)
    t.match(await run(['plan', '-f', '-', '--exit-code'], { stdin: stdout }), {
      code: 0,
      stdout: /^No changes/,
    })
  }
  t.match(await json(run, 'export', 'union', '--contents'), {
    views: { union: { rule: 'promoted', contents: [NEW, OTHER], gates: { promoters: ['admin'] } } },
  })
  await run(['view', 'create', 'lost'])
  const { stdout } = await run(['export'])
  t.match(await run(['view', 'close', 'lost', '--yes']), { code: 0 })
  t.match(await run(['plan', '-f', '-'], { stdin: stdout }), { stdout: /^\+ view lost/ })
  t.match(await run(['export', 'lost']), { stdout: 'views:\n  lost:\n    closed: true\n' })
})

test('mistakes in files are told with their line and column', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  for (const [stdin, code, ...places] of [
    ['views: [', 2, /^hart-depot: stdin, line 1, column \d+: /],
    ['view: {}', 2, /^hart-depot: stdin, line 1, column 1: .*did you mean views\?/],
    ['views: [union]', 2, /line 1, column 8/],
    ['', 2, /^hart-depot: stdin describes no view/],
    ['{}', 2, /stdin describes no view/],
    ['views: {}', 2, /stdin describes no view/],
    ['- union', 2, /must be a mapping/],
    ['views: { __proto__: {} }', 1, /__proto__/],
    [
      'views:\n  union:\n    rul: promoted\n',
      2,
      /^hart-depot: stdin, line 3, column 5: unknown field "rul"; did you mean rule\?/,
    ],
    [
      'views:\n  union:\n    gates:\n      requires: [{ view: acceptence, as: current }]\n',
      2,
      /"acceptence"; did you mean acceptance\?/,
    ],
    ['views:\n  union:\n    rule: lowest\n', 2, /line 3, column 11/],
    ['views:\n  union:\n    gates:\n      promoters:\n        - nobody\n', 2, /line 5, column 11.*"nobody"/],
    [`views:\n  union:\n    contents:\n      - acme/app/9/20260101000000\n`, 5, /line 4, column 9/],
    [
      `views:\n  union: { gates: { promoters: [one] } }\n  stable: { gates: { promoters: [two] } }\n`,
      2,
      /line 2, column 33.*"one"/,
      /line 3, column 34.*"two"/,
    ],
  ] as const) {
    const result = await run(['apply', '-f', '-'], { stdin })
    t.match(result, { code, stdout: '' }, stdin)
    for (const place of places) t.match(result.stderr, place)
  }
  const file = join(started.folder, 'union.yml')
  await writeFile(file, 'views:\n  union:\n')
  t.match(await run(['plan', '-f', file, '-'], { stdin: 'views:\n  union:\n' }), {
    code: 2,
    stderr: /stdin, line 2, column 3: union is described a second time/,
  })
  t.match(await run(['plan', '-f', 'nowhere.yml']), { code: 1, stderr: /nowhere\.yml/ })
  for (const args of [['plan'], ['apply'], ['apply', '0198c2', '-f', file]])
    t.match(await run(args), { code: 2 }, args.join(' '))
})

test('what blocks a change is told with its place, and nothing is changed', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  await run(['freeze', 'union', '--reason', 'audit'])
  const refused = await run(['apply', '-f', '-'], { stdin: STATE })
  t.match(refused, { code: 3, stdout: '', stderr: /blocked by freeze: .*audit, stdin, line 6, column 5/ })
  t.match(refused.stderr, /for one reason, so nothing was changed/)
  const planned = await run(['plan', '-f', '-'], { stdin: STATE })
  t.match(planned, { code: 0, stdout: /blocked by freeze.*blocked for one reason/s })
  t.notMatch(planned.stdout, /--plan/, 'a blocked plan is not recommended')
  t.match(await run(['view', 'staging']), { code: 5 })
  const guest = commandsOn(started, await started.account('guest'))
  t.match(await guest(['apply', '-f', '-'], { stdin: STATE }), { code: 6, stderr: /blocked by rights/ })
  t.match(await run(['apply', '-f', '-', '--override', 'drill'], { stdin: STATE }), {
    code: 0,
    stdout: /overridden: .*audit/,
  })
})

test('at a terminal, apply -f shows the changes and asks', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  const file = join(started.folder, 'views.yml')
  await writeFile(file, STATE)
  const at = { env: { NO_COLOR: '1' } }
  const declined = await run(['apply', '-f', file], { ...at, typed: '\r' })
  t.match(declined, { code: 1, stdout: '', stderr: /^\+ view staging.*nothing was changed/ms })
  t.match(await run(['apply', '-f', file], { ...at, typed: 'y\r' }), { code: 0, stdout: /Created staging/ })
})
