import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { holdLease } from '../../../src/cli/pipeline/lease.ts'
import { makeProject, startProject } from '../../support/views/project.ts'
import type { DepotProject } from '../../support/views/project.ts'
import { run } from '../../support/run-cli.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'
import { until } from '../../support/until.ts'

const [FIRST, SECOND] = ['acme/app/1.0.0/20260101000000', 'acme/app/1.1.0/20260102000000'] as const
const PROVISION = ['provision', '--view', 'acceptance'] as const

const GATEWAY = join(import.meta.dirname, '../../fixtures/gateway/services-2.1.json')

const passed = async ({ find }: Pick<DepotProject, 'find'>, change = 'c1') =>
  (await find(change)).phases.filter(({ status }) => status === 'passed').map(({ phase }) => phase)

test('a wait ends as soon as a newer change has the place, and names it', async (t) => {
  const { pipeline, hart, find } = await startProject(t)
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const waiting = pipeline([...PROVISION, '--wait', 'exec sleep 300', '--timeout', '1h'])
  await until('c1 is promoted', async () => (await find('c1')).delivered.includes('acceptance'))
  const newer = { env: { CI_COMMIT_SHA: 'c2' } }
  await pipeline(['publish', '--artifact', await hart(SECOND)], newer)
  t.match(await pipeline(PROVISION, newer), { code: 0 })
  t.match(await waiting, { code: 3, stdout: '', stderr: /superseded by the newer change c2/ })
  t.match((await find('c1')).phases.at(-1), { phase: 'provision', status: 'failed', message: /c2/ })
  t.match(await pipeline(PROVISION), { code: 3, stderr: /superseded by the newer change c2/ })
})

test('--wait repeats its command until it succeeds, the time is over, or the command cannot run', async (t) => {
  const { pipeline, hart, find } = await startProject(t)
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const wait = async (command: string, timeout = '1h') =>
    pipeline([...PROVISION, '--wait', command, '--timeout', timeout])
  t.match(await wait('exec sleep 300', '0'), { code: 124, stderr: /acceptance does not run the change/ })
  t.match((await find('c1')).phases.at(-1), { phase: 'provision', status: 'failed' })
  t.match(await wait('there-is-no-such-command'), { code: 1, stderr: /exit code 127/ })
  const third = 'echo "$pkg_ident" >> asked; test "$(grep -c acme/app/1.0.0/ asked)" = 3'
  t.match(await wait(third), { code: 0, stdout: /and runs there/ })
  t.match((await find('c1')).phases.at(-1), { phase: 'provision', status: 'passed' })
})

test('--wait with --hosts asks Supervisors, of which every one must answer', async (t) => {
  const { pipeline, hart, write } = await startProject(t)
  await pipeline(['publish', '--artifact', await hart(SECOND)])
  const [app] = JSON.parse(await readFile(GATEWAY, 'utf8')) as [{ pkg: object }]
  let ident: string = FIRST
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    if (asked === 3) ident = SECOND
    const service = {
      ...app,
      channel: 'acceptance',
      bldr_url: 'http://depot.example',
      pkg: { ...app.pkg, ident },
    }
    response.end(JSON.stringify([service]))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const wait = [...PROVISION, '--wait', '--hosts', 'hosts.txt', '--timeout']
  await write({ 'hosts.txt': `${host}\n127.0.0.1:1\n` })
  t.match(await pipeline([...wait, '0']), { code: 124, stderr: /1 of 2 gateways cannot be read/ })
  asked = 0
  ident = FIRST
  await write({ 'hosts.txt': `${host}\n` })
  const waited = await pipeline([...wait, '1h'])
  t.match(waited, {
    code: 0,
    stdout: /and runs there/,
    stderr: /0 of 1 services that follow acceptance run it/,
  })
  t.match(await pipeline([...wait, '1h', '--wait', 'true']), { code: 2, stderr: /only one of them/ })
})

test('what a view has lost is not promoted again by a repeated phase', async (t) => {
  const project = await startProject(t)
  const { pipeline, hart, depot, find } = project
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  await pipeline(PROVISION)
  await depot.demote({ view: 'acceptance', body: { releases: [FIRST] } })
  t.match(await pipeline(PROVISION), { code: 0, stdout: /--again/ })
  t.match(await pipeline([...PROVISION, '--wait', 'true', '--timeout', '1m']), { code: 1, stderr: /--again/ })
  t.strictSame((await find('c1')).delivered, [])
  t.match(await pipeline([...PROVISION, '--again']), { code: 0 })
  t.strictSame((await find('c1')).delivered, ['acceptance'])
})

/** A hab that builds what the variable IDENT says, from the file in HART, and counts its builds. */
const HAB = `#!/bin/sh
echo "$*" >> builds
mkdir -p results && cp "$HART" results/built.hart
printf 'pkg_ident=%s\\npkg_artifact=built.hart\\n' "$IDENT" > results/last_build.env
`

test('publish builds with hab, and builds nothing that the change has', async (t) => {
  const { pipeline, hart, write, folder } = await startProject(t, {
    'habitat/plan.sh': 'pkg_origin=acme\npkg_name=app\n',
    'habitat/plan.ps1': '$pkg_origin = "acme"\n$pkg_name = "app"\n',
    'habitat/x86_64-linux/plan.sh': 'pkg_origin=acme\npkg_name=app\n',
    'habitat/aarch64-linux/plan.sh': 'pkg_origin=acme\npkg_name=app\n',
    'bin/hab': HAB,
  })
  await chmod(join(folder, 'bin/hab'), 0o755)
  const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, HART: await hart(FIRST), IDENT: FIRST }
  t.match(await pipeline(['publish'], { env }), { code: 0, stdout: new RegExp(FIRST) })
  const again = await pipeline(['publish'], { env: { ...env, HART: await hart(SECOND) } })
  t.match(again, { code: 0, stdout: new RegExp(FIRST), stderr: /habitat\/plan\.sh is not built/ })
  t.equal(await readFile(join(folder, 'builds'), 'utf8'), 'pkg build .\n')
  const rebuilt = await pipeline(['publish', '--rebuild'], { env: { ...env, HART: await hart(SECOND) } })
  t.match(rebuilt, { code: 0, stdout: new RegExp(SECOND) })
  await write({ 'bin/hab': '#!/bin/sh\necho no studio >&2\nexit 9\n' })
  t.match(await pipeline(['publish', '--rebuild'], { env }), {
    code: 1,
    stderr: /hab ended with exit code 9/,
  })
})

test('publish takes what results/last_build.env names, or what the command of the file builds', async (t) => {
  const project = await startProject(t)
  const { pipeline, write, folder, find } = project
  const name = (await project.hart(FIRST)).slice(folder.length + 1)
  const env = `pkg_ident=${FIRST}\npkg_artifact=${name}\n`
  t.match(await pipeline(['publish', '--no-build']), { code: 2, stderr: /there is nothing to publish/ })
  await write({ 'plan.sh': 'pkg_origin=acme\npkg_name=app\n' })
  const noHab = await pipeline(['publish'], { env: { PATH: '/nowhere' } })
  t.match(noHab, { code: 2, stderr: /hab, which would build the plan, is not installed\. Install it: https/ })
  await write({ 'results/last_build.env': env })
  t.match(await pipeline(['publish']), { code: 1, stderr: /there is no .*results/ })
  await write({
    '.hart-depot.yml': `project: acme/app\npublish:\n  build: mv ${name} results/\n`,
  })
  t.match(await pipeline(['publish']), { code: 0, stdout: new RegExp(FIRST) })
  t.match((await find('c1')).releases, [{ release: FIRST }])
  await write({ 'results/last_build.env': 'pkg_ident=acme/app\n' })
  t.match(await pipeline(['publish', '--no-build', '--change', 'c2']), {
    code: 2,
    stderr: /no line pkg_artifact/,
  })
})

test('a change that has a release keeps it, unless it is rebuilt', async (t) => {
  const { pipeline, hart, find } = await startProject(t)
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const second = await hart(SECOND)
  const repeated = await pipeline(['publish', '--artifact', second, '--quiet'])
  t.match(repeated, { code: 0, stdout: `${FIRST}\n` })
  t.match(await pipeline(['provision', '--view', 'acceptance']), { code: 0 })
  t.match(await pipeline(['publish', '--artifact', second, '--rebuild', '-q']), { stdout: `${SECOND}\n` })
  t.match((await find('c1')).releases, [
    { release: FIRST, replaced: true },
    { release: SECOND, replaced: false },
  ])
  t.match(await pipeline(['smoke', '--view', 'acceptance']), { code: 3, stderr: /does not have change c1/ })
  t.match(await pipeline(['provision', '--view', 'acceptance']), { code: 0, stdout: new RegExp(SECOND) })
})

test('other bytes for an ident are refused, and nothing is recorded', async (t) => {
  const { pipeline, hart, find } = await startProject(t)
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const other = await hart(FIRST, { content: 'other bytes' })
  t.match(await pipeline(['publish', '--artifact', other, '--change', 'c2']), { code: 3, stderr: /already/ })
  t.match(await find('c2'), { releases: [], phases: [{ phase: 'publish', status: 'failed' }] })
})

test('targets that the file names must be published before the change is promoted', async (t) => {
  const { pipeline, hart } = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\ntargets: [x86_64-linux, aarch64-linux]\n',
  })
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const provision = ['provision', '--view', 'acceptance']
  t.match(await pipeline(provision), { code: 1, stderr: /nothing was published for aarch64-linux/ })
  await pipeline(['publish', '--artifact', await hart(FIRST, { target: 'aarch64-linux' })])
  t.match(await pipeline(provision), { code: 0 })
})

test('two packages that cannot be in one change are refused before anything is sent', async (t) => {
  const { pipeline, hart, depot } = await startProject(t)
  const both = ['publish', '--artifact', await hart(FIRST), await hart(SECOND)]
  t.match(await pipeline(both), { code: 2, stderr: /both acme\/app for x86_64-linux/ })
  t.strictSame((await depot.listChanges({})).changes, [])
})

test('a project without any file needs publish and provision alone', async (t) => {
  const { pipeline, hart, folder, find } = await startProject(t, {})
  const file = join(folder, 'build.env')
  t.match(await pipeline(['publish', '--artifact', await hart(FIRST), '--env-file', file]), { code: 0 })
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const env = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]))
  t.match(await pipeline(PROVISION, { env: { CI_COMMIT_SHA: '', ...env } }), { code: 0 })
  t.match(await find('c1'), { project: 'acme/app', delivered: ['acceptance'] })
})

test('run goes on from what has not passed, and stops where something fails', async (t) => {
  const project = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\nviews: [acceptance, union]\nunit: test -e ready\n',
  })
  const { pipeline, write, hart } = project
  t.match(await pipeline(['run']), { code: 0, stdout: /^lint: not configured/ })
  t.match(await pipeline(['run', '--until', 'publish']), { code: 1, stderr: /unit failed/ })
  await write({ ready: '' })
  const artifact = ['--artifact', await hart(FIRST)]
  t.match(await pipeline(['run', '--until', 'acceptance', ...artifact, '-q']), {
    code: 0,
    stdout: `${FIRST}\n`,
  })
  t.strictSame(await passed(project), ['unit', 'publish', 'provision'])
  const rest = await pipeline(['run', '--until', 'union', '--json'])
  t.match(JSON.parse(rest.stdout), { phases: [{ phase: 'provision', view: 'union' }, {}, {}, {}] })
  t.match(await pipeline(['run']), { code: 0, stdout: 'Nothing is left to run.\n' })
  const status = await pipeline(['status'])
  t.match(
    status.stdout,
    /^CHANGE +BRANCH +RECORDED +BUILD +ACCEPTANCE +UNION +STATE\nc1 .* passed +passed +passed +passed\n$/,
  )
  t.match(await pipeline(['status', '--quiet']), { code: 0, stdout: 'c1\n' })
})

test('the result of a test is not used if the view changed meanwhile', async (t) => {
  const { pipeline, hart, depot, folder, write } = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\nsmoke: touch begun; until [ -e go ]; do sleep 0.01; done\n',
  })
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  await pipeline(PROVISION)
  const smoke = pipeline(['smoke', '--view', 'acceptance'])
  await until('smoke runs', async () =>
    readFile(join(folder, 'begun')).then(
      () => true,
      () => false,
    ),
  )
  await depot.demote({ view: 'acceptance', body: { releases: [FIRST] } })
  await write({ go: '' })
  t.match(await smoke, { code: 1, stderr: /acceptance got another change while smoke ran/ })
})

test('a phase of a change runs once at a time', async (t) => {
  const { pipeline, depot, find } = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\nunit: test "$HART_DEPOT_CHANGE" = c1\n',
  })
  await pipeline(['lint'])
  const { id } = await find('c1')
  await depot.takeLease({ id, body: { phase: 'unit', holder: 'another agent' } })
  t.match(await pipeline(['unit']), { code: 3, stderr: /another agent has it until .*--takeover/ })
  t.match(await pipeline(['unit', '--takeover']), { code: 0 })
  t.match(await pipeline(['unit', '--again']), { code: 0 }, 'the lease was ended')
})

test('of two runs of a phase at the same time, one runs', async (t) => {
  const { pipeline, folder, write } = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\nunit: echo run >> runs; until [ -e go ]; do sleep 0.01; done\n',
  })
  const first = pipeline(['unit'])
  const hasBegun = async () =>
    readFile(join(folder, 'runs')).then(
      () => true,
      () => false,
    )
  await until('one runs', hasBegun)
  t.match(await pipeline(['unit']), { code: 3, stderr: /--takeover/ })
  await write({ go: '' })
  t.match(await first, { code: 0 })
  t.match(await pipeline(['unit']), { code: 0, stdout: /since/ })
  t.equal(await readFile(join(folder, 'runs'), 'utf8'), 'run\n')
})

test('a view with approval gets the change when somebody approves it', async (t) => {
  const { pipeline, hart, depot } = await startProject(t)
  await depot.setGates({ view: 'acceptance', body: { approval: { approvers: ['admin'] } } })
  await pipeline(['publish', '--artifact', await hart(FIRST)])
  const advice = new RegExp(`hart-depot propose promote acceptance ${FIRST}`)
  t.match(await pipeline(PROVISION), { code: 3, stderr: advice })
  t.match(await pipeline([...PROVISION, '--override', 'nobody is here']), { code: 0 })
  t.match(await pipeline([...PROVISION, '--again']), { code: 0, stdout: /acceptance has/ })
})

test('provision says if latest of the view is another release', async (t) => {
  const { pipeline, hart, depot } = await startProject(t)
  const plan = await depot.createPlan({ view: 'acceptance', body: { act: 'set-rule', rule: 'highest' } })
  await depot.applyPlan({ plan: plan.plan, body: {} })
  await pipeline(['publish', '--artifact', await hart(SECOND)])
  await pipeline(PROVISION)
  const older = { env: { CI_COMMIT_SHA: 'c2' } }
  await pipeline(['publish', '--artifact', await hart(FIRST)], older)
  t.match(await pipeline(PROVISION, older), { code: 0, stdout: /another release is the latest in it/ })
  t.match(await pipeline(['smoke', '--view', 'acceptance'], older), { code: 3 })
})

test('targets are published at the same time, each once', async (t) => {
  const { pipeline, hart, depot, find } = await startProject(t)
  await pipeline(['lint'])
  const { id } = await find('c1')
  await depot.takeLease({ id, body: { phase: 'publish-aarch64-linux', holder: 'the other agent' } })
  t.match(await pipeline(['publish', '--artifact', await hart(FIRST)]), { code: 0 })
  const other = await hart(FIRST, { target: 'aarch64-linux' })
  t.match(await pipeline(['publish', '--artifact', other]), { code: 3, stderr: /the other agent/ })
})

test('a lease that somebody takes over is lost at its next renewal', async (t) => {
  const { pipeline, depot, find } = await startProject(t)
  await pipeline(['lint'])
  const { id } = await find('c1')
  const leased = { id, phase: 'unit' }
  const options = { onTrouble: (sentence: string) => t.fail(sentence), renewEveryMs: 5 }
  const lease = await holdLease(depot, leased, { ...options, holder: 'one', takeover: false })
  const other = await holdLease(depot, leased, { ...options, holder: 'two', takeover: true })
  await until('the lease is lost', () => lease.lost.aborted)
  t.match(lease.lost.reason, { exitCode: 3, message: /two/ })
  await lease.end()
  await t.rejects(holdLease(depot, leased, { ...options, holder: 'three', takeover: false }), /--takeover/)
  await other.end()
  t.notOk(other.lost.aborted)
})

test('without a change in the environment, it is the commit of git, unless files differ from it', async (t) => {
  const { pipeline, folder, write, find } = await startProject(t, { 'a.txt': 'a' }, { CI_COMMIT_SHA: '' })
  t.match(await pipeline(['lint', '--project', 'acme/app']), { code: 2, stderr: /which change is this\?/ })
  const git = async (...args: string[]) =>
    promisify(execFile)('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
    })
  await git('init', '--quiet')
  await git('add', 'a.txt')
  await git('commit', '--quiet', '-m', 'first')
  const head = (await git('rev-parse', 'HEAD')).stdout.trim()
  t.match(await pipeline(['lint']), { code: 2, stderr: /which project is this\?/ })
  t.match(await pipeline(['lint', '--project', 'acme/app']), { code: 0 })
  t.match(await find(head), { commit: head })
  await write({ 'a.txt': 'b' })
  t.match(await pipeline(['lint', '--project', 'acme/app']), { code: 2, stderr: /not committed/ })
  t.match(await pipeline(['lint', '--no-report']), { code: 0 })
})

test('a phase that a signal ends is reported as failed, and its lease is free', async (t) => {
  const { url, folder, find, pipeline, write } = await startProject(t, {
    '.hart-depot.yml': 'project: acme/app\nunit: echo begun; exec sleep 300\n',
  })
  const running = run(['pipeline', 'unit'], {
    npm_package_name: 'hart-depot',
    INIT_CWD: folder,
    HART_DEPOT_URL: url,
    HART_DEPOT_TOKEN: ADMIN_TOKEN,
    CI_COMMIT_SHA: 'c1',
  })
  await running.hears('stderr', /^begun/m)
  t.match((await find('c1')).phases, [{ phase: 'unit', status: 'running' }])
  running.process.kill('SIGTERM')
  t.match(await running.ended, { code: 143, stdout: '' })
  t.match((await find('c1')).phases, [{ phase: 'unit', status: 'failed', message: 'ended by SIGTERM' }])
  await write({ '.hart-depot.yml': 'project: acme/app\nunit: "true"\n' })
  t.match(await pipeline(['unit']), { code: 0 })
})

test('nothing runs if the depot that is named cannot be reached', async (t) => {
  const { pipeline, folder } = await makeProject(
    t,
    { '.hart-depot.yml': 'project: acme/app\nunit: touch was-run\n' },
    { HART_DEPOT_URL: 'http://127.0.0.1:1', CI_COMMIT_SHA: 'c1' },
  )
  t.match(await pipeline(['unit']), { code: 7, stdout: '' })
  await t.rejects(rm(join(folder, 'was-run')), { code: 'ENOENT' })
})
