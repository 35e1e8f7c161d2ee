import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { CLONE, readDocument, runScript, standIns } from '../../support/documents/document.ts'
import { startProject } from '../../support/views/project.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

// The steps of the templates in docs/ci, run by a shell as their CI system would, but for what installs
// programs. Needs shellcheck: `npm run test:pipeline`.

const programs = await standIns(tap)
const VIEWS = ['acceptance', 'union', 'rehearsal', 'delivered']
const INSTALLS = /^(?:npm install --global|apt-get |curl .*install\.sh)/
const PLAN = `pkg_origin=acme
pkg_name=app
pkg_version=1.0.0
pkg_build_deps=(core/make)
do_build() {
  make
}
`
const FILES = {
  'habitat/plan.sh': PLAN,
  'habitat/hooks/run': '#!/bin/sh\nexec 2>&1\nexec app --port {{cfg.port}}\n',
  '.hart-depot.yml':
    'unit: "true"\nsmoke: test "$(curl -sS $HAB_BLDR_URL/pkgs/acme/app/latest | grep -c $pkg_release)" = 1\n',
}

interface Step {
  readonly script: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs the steps, and checks that the change came to the last view with a report for each phase. */
async function follow(t: Test, steps: readonly Step[], env: Readonly<Record<string, string>>, job: string) {
  const { folder, url, find } = await startProject(t, FILES)
  const bin = join(folder, '.bin')
  await mkdir(bin)
  await symlink(join(CLONE, 'launch'), join(bin, 'hart-depot'))
  for (const step of steps) {
    const { code, output } = await runScript(step.script, {
      name: 'step.sh',
      cwd: folder,
      env: {
        PATH: `${bin}:${process.env['PATH']}:${programs}`,
        HOME: folder,
        HART_DEPOT_URL: url,
        HART_DEPOT_TOKEN: ADMIN_TOKEN,
        ORIGIN_KEY: '/dev/null',
        ...env,
        ...step.env,
      },
    })
    t.equal(code, 0, step.script, { output })
  }
  const change = await find('4f1c9f1d')
  t.strictSame(change.delivered, VIEWS)
  t.strictSame(
    change.phases.map(({ phase, view, status }) => `${phase} ${view ?? ''} ${status}`).toSorted(),
    [
      ...['lint', 'syntax', 'unit', 'publish'].map((phase) => `${phase}  passed`),
      ...['security', 'quality'].map((phase) => `${phase}  not_configured`),
      ...VIEWS.flatMap((view) => [`provision ${view} passed`, `smoke ${view} passed`]),
      ...VIEWS.flatMap((view) => [`deploy ${view} not_configured`, `functional ${view} not_configured`]),
    ].toSorted(),
  )
  for (const report of change.phases) t.equal(report.job, job)
}

const runs = (script: string) => !INSTALLS.test(script)

interface Workflow {
  readonly jobs: Record<
    string,
    {
      env?: Record<string, string>
      strategy?: { matrix: Record<string, string[]> }
      steps: { run?: string; env?: Record<string, string> }[]
    }
  >
}

test('the template for GitHub Actions', async (t) => {
  const { jobs } = parse(await readDocument('docs/ci/github-actions.yml')) as Workflow
  const steps = Object.values(jobs).flatMap(({ steps: all, strategy, env = {} }): Step[] => {
    const phases = strategy?.matrix['phase'] ?? ['']
    return phases.flatMap((phase) =>
      all.flatMap(({ run }) =>
        run === undefined ? [] : [{ script: run.replaceAll('${{ matrix.phase }}', phase), env }],
      ),
    )
  })
  const job = 'https://github.com/acme/app/actions/runs/4711'
  const env = {
    GITHUB_SHA: '4f1c9f1d',
    GITHUB_REF_NAME: 'main',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_REPOSITORY: 'acme/app',
    GITHUB_RUN_ID: '4711',
  }
  await follow(
    t,
    steps.filter(({ script }) => runs(script)),
    env,
    job,
  )
})

interface GitlabJob {
  stage: string
  script: string[]
  extends?: string
  before_script?: string[]
  parallel?: { matrix: Record<string, string[]>[] }
}

test('the template for GitLab CI', async (t) => {
  const {
    stages,
    default: shared,
    ...jobs
  } = parse(await readDocument('docs/ci/gitlab-ci.yml')) as {
    stages: string[]
    default: { before_script: string[] }
  } & Record<string, GitlabJob>
  const inOrder = Object.entries(jobs)
    .filter(([name]) => !name.startsWith('.'))
    .map(([, job]): GitlabJob => ({ ...(job.extends === undefined ? {} : jobs[job.extends]), ...job }))
    .toSorted((a, b) => stages.indexOf(a.stage) - stages.indexOf(b.stage))
  const steps = inOrder.flatMap(({ stage, script, before_script: before = shared.before_script, parallel }) =>
    (parallel?.matrix[0]?.['PHASE'] ?? ['']).map((phase): Step => ({
      script: ['set -e', ...[...before, ...script].filter(runs)].join('\n'),
      env: { CI_JOB_STAGE: stage, PHASE: phase },
    })),
  )
  const env = {
    CI_COMMIT_SHA: '4f1c9f1d',
    CI_COMMIT_REF_NAME: 'main',
    CI_PROJECT_URL: 'https://gitlab.com/acme/app',
    CI_JOB_URL: 'https://gitlab.com/acme/app/-/jobs/4711',
  }
  await follow(t, steps, env, env.CI_JOB_URL)
  t.equal(steps.length, 1 + 4 + 1 + VIEWS.length)
})

test('the template for Jenkins', async (t) => {
  const text = await readDocument('docs/ci/Jenkinsfile')
  const steps: Step[] = []
  let view = ''
  for (const [, name, value] of text.matchAll(/(sh|VIEW =) '(.*?)'/g)) {
    if (name === 'sh') steps.push({ script: value ?? '', env: { VIEW: view } })
    else view = value ?? ''
  }
  t.equal(steps.length, 5 + 2 + 4 * VIEWS.length)
  const env = {
    GIT_COMMIT: '4f1c9f1d',
    GIT_BRANCH: 'main',
    BUILD_URL: 'https://jenkins.example.com/job/app/4711/',
  }
  await follow(t, steps, env, env.BUILD_URL)
  t.equal(text.split('{').length, text.split('}').length)
})
