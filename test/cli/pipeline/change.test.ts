import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { makeProject, startProject } from '../../support/views/project.ts'

const FIRST = 'acme/app/1.0.0/20260101000000'

test('a change is published, promoted and tested, and a repeated phase does nothing twice', async (t) => {
  const files = {
    '.hart-depot.yml': `project: acme/app
deploy: echo "deploy $pkg_ident to $HART_DEPOT_VIEW" >> deploys
smoke: test "$HAB_BLDR_URL" = "$HART_DEPOT_URL/v1/depot/views/acceptance"
`,
  }
  // Without the commit of GitLab, no URL can be made.
  const env = { CI_PROJECT_URL: 'https://git.example/acme/app', CI_COMMIT_SHA: '', HART_DEPOT_COMMIT: 'c1' }
  const { pipeline, hart, folder, find } = await startProject(t, files, env)
  const publish = ['publish', '--artifact', await hart(FIRST), '--env-file', join(folder, 'build.env')]
  for (const args of [
    publish,
    ['provision', '--view', 'acceptance'],
    ['deploy', '--env', 'acceptance', '--job', 'https://ci.example/1'],
    ['smoke', '--view', 'acceptance'],
    ['functional', '--view', 'acceptance'],
  ])
    for (const time of ['once', 'again']) t.match(await pipeline(args), { code: 0 }, `${args[0]} ${time}`)
  const change = await find('c1')
  t.match(change, { commit: 'c1', url: null, releases: [{ release: FIRST }], delivered: ['acceptance'] })
  t.equal(change.releases.length, 1)
  t.strictSame(
    change.phases.map(({ phase, view, status, job }) => [phase, view, status, job]),
    [
      ['publish', null, 'passed', null],
      ['provision', 'acceptance', 'passed', null],
      ['deploy', 'acceptance', 'passed', 'https://ci.example/1'],
      ['smoke', 'acceptance', 'passed', null],
      ['functional', 'acceptance', 'not_configured', null],
    ],
  )
  t.equal(await readFile(join(folder, 'deploys'), 'utf8'), `deploy ${FIRST} to acceptance\n`)
  t.match(
    await readFile(join(folder, 'build.env'), 'utf8'),
    /^HART_DEPOT_PROJECT=acme\/app\nHART_DEPOT_CHANGE=c1\n(.*\n)*pkg_ident=acme\/app\/1\.0\.0\/20260101000000\n(.*\n)*pkg_artifact=acme-app-1\.0\.0-20260101000000-x86_64-linux\.hart\n$/,
  )
})

test('a promotion that a gate refuses fails with its rule, and the next environment stays as it is', async (t) => {
  const { pipeline, hart, depot, find } = await startProject(t)
  await depot.setGates({ view: 'union', body: { requires: [{ view: 'acceptance', as: 'current' }] } })
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  t.match(await pipeline(['provision', '--view', 'union']), { code: 3, stderr: /union refuses .*acceptance/ })
  t.match((await find('c1')).phases, [{}, { phase: 'provision', view: 'union', status: 'failed' }])
  t.match(await pipeline(['provision', '--view', 'acceptance']), { code: 0 })
  t.match(await pipeline(['provision', '--view', 'union']), { code: 0 })
})

test('wrong arguments are refused before anything is done', async (t) => {
  const { pipeline } = await makeProject(t, {}, { HART_DEPOT_URL: 'http://127.0.0.1:1' })
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['provision'], /--view acceptance/],
    [['provision', '--view', 'acceptnce'], /did you mean acceptance\?/],
    [['provision', '--view', 'union', '--env', 'acceptance'], /only one of them/],
    [['provision', '--view', 'union', '--no-report'], /--no-report/],
    [['provision', '--view', 'union', '--wait'], /must ask something that knows/],
    [['provision', '--view', 'union', '--wait', 'true'], /needs --timeout/],
    [['publish'], /there is nothing to publish/],
    [['lint', '--view', 'union'], /unknown option/],
    [['run', '--until', 'Friday'], /--until is a phase/],
  ]
  for (const [args, fault] of wrong)
    t.match(await pipeline(args), { code: 2, stdout: '', stderr: fault }, args.join(' '))
})
