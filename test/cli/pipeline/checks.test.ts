import { readFile, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'tap'
import { parse } from 'yaml'
import { configSchema } from '../../../src/cli/pipeline/config.ts'
import { fillTemplate } from '../../../src/cli/pipeline/templates.ts'
import { readDocument } from '../../support/documents/document.ts'
import { makeProject } from '../../support/views/project.ts'

const right = (scripts: string) => ({
  code: 0,
  stdout: `syntax: passed: the syntax of ${scripts} is right.\n`,
})

const PLAN = 'pkg_origin=acme\npkg_name=app\npkg_version=1.0.0\n'

test('without a file and without a plan, the checks are not configured', async (t) => {
  const { pipeline } = await makeProject(t)
  for (const phase of ['lint', 'syntax', 'unit', 'security', 'quality'])
    t.match(await pipeline([phase, '--json']), { code: 0, stdout: /"status": "not_configured"/ }, phase)
})

test('a mistake in .hart-depot.yml has its line and column', async (t) => {
  const { pipeline, write, folder } = await makeProject(t)
  const mistakes: readonly (readonly [text: string, fault: RegExp])[] = [
    ['unit: "true', /line 1, column \d+: /],
    ['unit: "true"\nlnt:\n  exclude: []\n', /line 2, column 1: the key lnt is unknown; did you mean lint\?/],
    ['smoke:\n  comand: x\n', /line 2, column 3: the key comand is unknown; did you mean command\?/],
    ['smoke:\n  command: x\n  timeout: long\n', /line 3, column 12 .*: a period such as/],
    ['lint:\n  exclude: [SC2034, 2154]\n', /line 2, column 21 /],
    ['project: app\n', /line 1, column 10 \(project\): a project is origin\/name/],
    ['unit: 3\n', /line 1, column 7 \(unit\): expected a command/],
    ['views:\n  - a\n  - a\n', /line 3, column 5 .*a is named twice/],
    [
      'views: [acceptance]\nsmoke:\n  command: x\n  views: [acceptence]\n',
      /line 4, column 11 .*did you mean acceptance\?/,
    ],
    ['- lint\n', /\.hart-depot\.yml: /],
  ]
  for (const [text, fault] of mistakes) {
    await write({ '.hart-depot.yml': text })
    t.match(await pipeline(['unit']), { code: 2, stdout: '', stderr: fault }, text)
  }
  await rm(join(folder, '.hart-depot.yml'))
  await write({ '.hart-depot.yaml': 'unit: "true"\n' })
  t.match(await pipeline(['unit']), { code: 2, stderr: /rename it/ })
  t.match(await pipeline(['unit', '--config', 'no.yml']), { code: 1, stderr: /there is no .*no\.yml/ })
})

test('pipeline.schema.json is the schema of the file', async (t) => {
  const written = await readFile(new URL('../../../pipeline.schema.json', import.meta.url), 'utf8')
  t.strictSame(JSON.parse(written), configSchema(), 'npm run openapi writes it again')
  const accepts = new Ajv2020().compile(configSchema())
  const [, example = ''] =
    /\.hart-depot\.yml <<'END'\n(.*?)\nEND\n/s.exec(await readDocument('docs/pipeline.md')) ?? []
  t.match(example, 'functional:')
  t.ok(accepts(parse(example)), 'the example of the page')
  t.ok(accepts({ lint: { severity: 'error' }, provision: { wait: './is-there.sh', timeout: '5m' } }))
  t.notOk(accepts({ lnt: {} }))
  t.notOk(accepts({ smoke: { timeout: '5m' } }))
})

test('the own command of a phase decides how the phase ends', async (t) => {
  const { pipeline, write, folder } = await makeProject(t)
  const run = async (unit: string) => {
    await write({ '.hart-depot.yml': `unit: ${JSON.stringify(unit)}\n` })
    return pipeline(['unit'])
  }
  const passed = await run('echo out; echo err >&2; pwd')
  t.match(passed, { code: 0, stdout: /^unit: passed/ })
  for (const line of ['out', 'err', folder]) t.match(passed.stderr, `${line}\n`)
  t.match(await run('exit 7'), {
    code: 1,
    stdout: '',
    stderr: /hart-depot: unit failed: "exit 7" ended with exit code 7, in \//,
  })
  t.match(await run('kill -9 $$'), { code: 1, stderr: /was ended by SIGKILL/ })
  t.match(await run('no-such-program'), { code: 1, stderr: /exit code 127/ })
})

test('a command that takes too long is ended', async (t) => {
  const { pipeline } = await makeProject(t, {
    '.hart-depot.yml': 'unit:\n  command: exec sleep 60\n  timeout: 0s\n',
  })
  t.match(await pipeline(['unit']), { code: 124, stderr: /took too long/ })
})

test('syntax parses plans and hooks, with their tags, and runs none', async (t) => {
  const { pipeline, write } = await makeProject(t, {
    'habitat/plan.sh': `${PLAN}touch "$INIT_CWD/was-run"\n`,
    'habitat/hooks/run': '#!/bin/sh\n{{#if (eq cfg.a "b")}}\nexec app {{cfg.port}}\n{{/if}}\n',
    'habitat/hooks/init': '#!/usr/bin/env python3\nprint("(")\n',
  })
  t.match(await pipeline(['syntax']), {
    code: 0,
    stdout: /habitat\/plan\.sh, habitat\/hooks\/run/,
    stderr: /^skipped habitat\/hooks\/init: .*python3/m,
  })
  await write({ 'habitat/x86_64-linux/plan.sh': 'if\n', 'habitat/hooks/stop': '#!/bin/bash\necho "\n' })
  t.match(await pipeline(['syntax']), {
    code: 1,
    stderr:
      /habitat\/hooks\/stop: line 2[\s\S]*failed: habitat\/x86_64-linux\/plan\.sh, habitat\/hooks\/stop are no valid/,
  })
})

test('what only has the name of a plan or a hook is passed over, and a plan that is named twice is one', async (t) => {
  const { pipeline, write, folder } = await makeProject(t, {
    'a/plan.sh': PLAN,
    'a/hooks/run': '#!/bin/sh\ntrue\n',
    'b/plan.sh': PLAN,
    'b/hooks': 'a file\n',
    'c/plan.sh/readme': 'a folder\n',
  })
  await symlink('nowhere', join(folder, 'a/hooks/.#run'))
  t.match(await pipeline(['syntax']), right('a/plan.sh, b/plan.sh, a/hooks/run'))
  await write({ '.hart-depot.yml': 'plans: [b, b/plan.sh, ./b]\n' })
  t.match(await pipeline(['syntax']), right('b/plan.sh'))
})

test('without pwsh, a PowerShell plan is skipped, and the phase says so', async (t) => {
  const { pipeline, write } = await makeProject(
    t,
    { 'plan.ps1': '$pkg_name = "app"\n' },
    { PATH: '/nowhere' },
  )
  t.match(await pipeline(['syntax']), { code: 0, stdout: 'syntax: skipped: no pwsh for plan.ps1.\n' })
  await write({ 'plan.sh': PLAN })
  t.match(await pipeline(['syntax']), { code: 1, stderr: /bash cannot be run .*Install it: / })
})

test('a missing shellcheck is an error that says how to install it', async (t) => {
  const { pipeline } = await makeProject(t, { 'plan.sh': PLAN }, { PATH: '/nowhere' })
  t.match(await pipeline(['lint']), {
    code: 1,
    stderr: /shellcheck cannot be run .*apt-get install shellcheck/,
  })
})

test('plans are looked for only where the file says', async (t) => {
  const { pipeline, write } = await makeProject(t, {
    'app/plan.sh': PLAN,
    'other/plan.sh': 'if\n',
    'node_modules/of-others/plan.sh': 'if\n',
    '.hart-depot.yml': 'plans: [app]\n',
  })
  t.match(await pipeline(['syntax']), { code: 0, stdout: /the syntax of app\/plan\.sh is right/ })
  await write({ '.hart-depot.yml': 'plans: [ap]\n' })
  t.match(await pipeline(['syntax']), { code: 2, stderr: /no plan\.sh and no plan\.ps1 in ap/ })
})

test('tags of templates become words and spaces, in their places', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['exec app {{cfg.a}} "{{ b }}"', 'exec app xxxxxxxxx "xxxxxxx"'],
    ['{{#each x as |y|}}a{{/each}}', '                  a         '],
    ['{{~#if (a)~}}b{{~else~}}c{{/if}}', '             b          c       '],
    ['{{!-- a }}\n b --}}c', '          \n       c'],
    ['{{{raw}}}', 'xxxxxxxxx'],
    ['{{helper a\n  b}}', 'xxxxxxxxxx\nxxxxx'],
    ['echo {{a,b},c}\necho "}}"', 'echo {{a,b},c}\necho "}}"'],
    ['#!{{pkgPathFor "core/bash"}}/bin/bash', '#!/xxxxxxxxxxxxxxxxxxxxxxxxx/bin/bash'],
    ['a="${b}"; c() { d; }', 'a="${b}"; c() { d; }'],
  ]
  for (const [given, filled] of cases)
    t.strictSame(fillTemplate(given), { text: filled, hasTags: given !== filled }, given)
})
