import { test } from 'tap'
import { makeProject } from '../../support/views/project.ts'

// Needs shellcheck: `npm run test:pipeline`.

const PLAN = 'pkg_origin=acme\npkg_name=app\npkg_version=1.0.0\ndo_build() {\n  echo "$pkg_prefix"\n}\n'

test('lint accepts a usual plan and its hooks', async (t) => {
  const { pipeline } = await makeProject(t, {
    'habitat/plan.sh': PLAN,
    'habitat/hooks/run': `#!{{pkgPathFor "core/bash"}}/bin/bash
exec 2>&1
{{#if (eq cfg.mode "fast")}}
if [ "{{cfg.level}}" = "high" ] && [ {{cfg.count}} -gt 3 ]; then
  exec app --port {{cfg.port}}
fi
{{/if}}
`,
  })
  t.match(await pipeline(['lint']), {
    code: 0,
    stdout: 'lint: passed: shellcheck accepts habitat/plan.sh, habitat/hooks/run.\n',
    stderr: 'Nothing is reported, because no depot is named.\n',
  })
})

test('lint reports findings with their lines, in plans and in hooks with tags', async (t) => {
  const { pipeline, write } = await makeProject(t, {
    'plan.sh': `${PLAN}rm -rf $pkg_prefix\n`,
    'hooks/run': '#!/bin/sh\n{{#if cfg.a}}\ncd {{cfg.folder}}\n{{/if}}\n[[ -n $x ]]\n',
  })
  t.match(await pipeline(['lint']), {
    code: 1,
    stdout: '',
    stderr:
      /In plan\.sh line 7:[\s\S]*SC2086[\s\S]*In hooks\/run line 3:[\s\S]*SC2164[\s\S]*line 5:[\s\S]*SC30[\s\S]*failed: shellcheck rejects a part of plan\.sh, hooks\/run/,
  })
  await write({ '.hart-depot.yml': 'lint:\n  severity: error\n', 'hooks/run': '#!/bin/sh\ntrue\n' })
  t.match(await pipeline(['lint']), { code: 0 })
})

test('lint excludes the codes that the file names, and the usual ones by default', async (t) => {
  const { pipeline, write } = await makeProject(t, { 'plan.sh': PLAN })
  t.match(await pipeline(['lint']), { code: 0 })
  await write({ '.hart-depot.yml': 'lint:\n  exclude: [SC2034]\n' })
  t.match(await pipeline(['lint']), { code: 1, stderr: /SC2154/ })
  await write({ '.hart-depot.yml': 'lint:\n  exclude: []\n' })
  t.match(await pipeline(['lint']), { code: 1, stderr: /SC2034/ })
  await write({ '.shellcheckrc': 'disable=SC2034,SC2154\n' })
  t.match(await pipeline(['lint']), { code: 0 })
})
