import tap, { test } from 'tap'
import { commandsOn } from '../../support/command.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'

const APP = 'acme/app/1.0.0/20260101120000'
const NEXT = 'acme/app/2.0.0/20260101120000'

const started = await startDepot(tap, { listen: true })
await makeReleases(started, APP, NEXT)
const run = commandsOn(started)

test('a pipeline records a change, reports its phases, and people look at it', async (t) => {
  const env = {
    CI_COMMIT_SHA: '4f1c9f1d4cfd2a14',
    CI_COMMIT_REF_NAME: 'main',
    CI_JOB_URL: 'https://ci.example.com/jobs/7',
    HART_DEPOT_PROJECT: 'acme/app',
  }
  const inCi = (...args: readonly string[]) => run(['change', ...args], { env })

  const unit = await inCi('report', 'unit', '--status', 'passed')
  t.match(unit, { code: 0, stdout: 'unit of 4f1c9f1d4cfd2a14: passed\n' }, 'one call records the change, too')
  const recorded = await inCi('record', APP, '--json')
  t.equal(recorded.code, 0, recorded.stderr)
  const change = JSON.parse(recorded.stdout) as Record<string, unknown>
  t.match(change, {
    project: 'acme/app',
    commit: '4f1c9f1d4cfd2a14',
    branch: 'main',
    releases: [{ release: APP }],
    phases: [{ phase: 'unit', job: 'https://ci.example.com/jobs/7' }],
  })
  t.match(await inCi('record', APP, '--quiet'), { code: 0, stdout: `${String(change['id'])}\n` }, 'again')
  t.match(await inCi('record', NEXT), { code: 3, stderr: new RegExp(APP) })
  t.match(await inCi('record', APP, '--commit', 'other'), { code: 3, stderr: /4f1c9f1d4cfd2a14/ })
  const byName = ['report', 'unit', '--status', 'passed', '--change', '4f1c9f1d4cfd2a14']
  t.match(await run(['change', ...byName], { env: { ...env, CI_COMMIT_SHA: 'other' } }), { code: 0 })

  await move(started, 'promote', 'acceptance', [{ ident: APP, target: 'x86_64-linux' }])
  const failed = ['report', 'smoke', '--view', 'acceptance', '--status', 'failed', '--message', '502']
  t.match(await inCi(...failed), { code: 0, stdout: 'smoke in acceptance of 4f1c9f1d4cfd2a14: failed\n' })
  const shown = await inCi('show')
  t.equal(shown.code, 0)
  t.match(shown.stdout, /^acme\/app 4f1c9f1d4cfd2a14 of main, recorded .* by admin: failed\n/)
  t.match(shown.stdout, /latest in: acceptance/)
  t.match(shown.stdout, /smoke +acceptance +failed .*502/)
  t.match(await run(['change', 'show', String(change['id']), '--quiet']), { code: 0, stdout: 'failed\n' })
  t.match(await run(['change', 'list', '--state', 'failed']), {
    code: 0,
    stdout: /^acme\/app +4f1c9f1d4cfd2a14 +failed +acceptance +main +admin/m,
  })
  t.match(await run(['change', 'list', '--view', 'union', '--quiet']), { code: 0, stdout: '' })

  const other = ['--project', 'acme/web', '--change', '4f1c9f1d4cfd2a14']
  await run(['change', 'record', ...other, '--build-for', 'x86_64-linux,aarch64-linux'])
  t.match(await run(['change', 'show', '4f1c9f1d4cfd2a14']), {
    code: 2,
    stderr: /--project acme\/web or --project acme\/app/,
  })
  t.match(await run(['change', 'show', '4f1c9f1d4cfd2a14', '--project', 'acme/web', '--json']), {
    code: 0,
    stdout: /"targets": \[\s+"x86_64-linux",\s+"aarch64-linux"/,
  })
})

test('wrong arguments, rights and leases of changes are explained', async (t) => {
  const named = ['--project', 'acme/app', '--change', 'c1']
  const report = (...args: readonly string[]) => run(['change', 'report', ...args, ...named])
  t.match(await report('unit'), { code: 2, stderr: /--status/ })
  t.match(await report('unit', '--status', 'green'), {
    code: 2,
    stderr: /--status is one of running, passed/,
  })
  t.match(await report('smoke', '--status', 'passed'), { code: 1, stderr: /name the view/ })
  t.match(await report('smoke', '--status', 'passed', '--view', 'acceptence'), { code: 5 })
  t.match(await run(['change', 'show', 'c2']), { code: 5, stderr: /there is no change c2/ })
  t.match(await report('unti', '--status', 'passed'), { code: 0, stderr: /did you mean unit\?/ })
  t.match(await report('audit', '--status', 'passed'), { code: 0, stderr: '' })
  const list = async (...filter: readonly string[]) => run(['change', 'list', ...filter])
  t.match(await list('--view', 'unoin'), { code: 5, stdout: '', stderr: /did you mean union\?/ })
  t.match(await list('--project', 'acme/apps'), { code: 0, stderr: /No change of acme\/apps .*acme\/app\?/ })
  t.match(await list('--project', 'acme/app', '--view', 'union'), { code: 0, stderr: '' })
  const stranger = commandsOn(started, await started.account('stranger'))
  t.match(await stranger(['change', 'record', ...named]), { code: 6, stderr: /not a member of the origin/ })
  t.match(await stranger(['change', 'show', 'c1']), { code: 5 })

  const { publicId } = await started.depot.writer.submit({
    kind: 'recordChange',
    input: { project: 'acme/app', change: 'c1', commit: 'c1', targets: [] },
    actor: { client: 'tests', door: 'cli' },
  })
  const take = (holder: string, isTakeover: boolean) =>
    started.depot.writer.submit({
      kind: 'takeLease',
      input: { change: publicId, phase: 'unit', holder, isTakeover },
      actor: { client: 'tests', door: 'cli' },
    })
  const { fence } = await take('one', false)
  await take('two', true)
  t.match(await report('unit', '--status', 'passed', '--fence', String(fence)), {
    code: 3,
    stderr: /leased to two/,
  })
})
