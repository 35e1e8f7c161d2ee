import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const ACTOR = { client: 'tests', door: 'cli' } as const
const started = await startDepot(tap, { listen: true })
const [app1, app2] = (await makeReleases(
  started,
  'acme/app/1/20260101000000',
  'acme/app/2/20260101000000',
)) as [ReleaseRow, ReleaseRow]
let commands = 0
started.depot.writer.onAnnouncement((_announcement, commit) => void (commands += commit?.commands ?? 0))

/** Promotes a release below a view's URL, and returns the answer with the number of commands that it took. */
async function promote(view: string, { ident, target }: ReleaseRow, token?: string) {
  const before = commands
  const { status, headers } = await ask(
    `${started.url}/v1/depot/views/${view}/pkgs/${ident}/promote?target=${target}`,
    { method: 'POST', headers: bearer(token) },
  )
  return {
    status,
    revision: headers['depot-revision'],
    changed: headers['depot-changed'],
    commands: commands - before,
  }
}

test('a promotion of the latest release is answered without the writer', async (t) => {
  await makeView(started, 'prod', 'promoted')
  t.strictSame(await promote('prod', app1), { status: 200, revision: '1', changed: 'true', commands: 1 })
  t.strictSame(await promote('prod', app1), { status: 200, revision: '1', changed: 'false', commands: 0 })
  await move(started, 'promote', 'prod', [app2])
  t.strictSame(await promote('prod', app1), { status: 200, revision: '3', changed: 'true', commands: 1 })
  await move(started, 'demote', 'prod', [app1])
  t.strictSame(await promote('prod', app1), { status: 200, revision: '5', changed: 'true', commands: 1 })
})

test('a promotion of a member that is not the latest is answered by the writer', async (t) => {
  await makeView(started, 'highest', 'highest')
  await promote('highest', app2)
  await promote('highest', app1)
  t.strictSame(await promote('highest', app1), {
    status: 200,
    revision: '2',
    changed: 'false',
    commands: 1,
  })
  t.match(await promote('highest', app2), { status: 200, changed: 'false', commands: 0 })
})

test('channels also answer promotions of the latest release without the writer', async (t) => {
  const path = `${started.url}/v1/depot/channels/acme/stable/pkgs/app/2/20260101000000/promote`
  const put = () => ask(path, { method: 'PUT', headers: bearer() })
  t.match(await put(), { status: 200, headers: { 'depot-changed': 'true' } })
  const before = commands
  t.match(await put(), { status: 200, headers: { 'depot-changed': 'false', 'depot-revision': '1' } })
  t.equal(commands, before)
})

test('rights lost after the first promotion refuse the second', async (t) => {
  await makeView(started, 'guarded', 'promoted')
  const token = await started.account('ci')
  const setRole = (role: 'maintainer' | 'member') =>
    started.depot.writer.submit({
      kind: 'setMember',
      input: { origin: 'acme', account: 'ci', role },
      actor: ACTOR,
    })
  await setRole('maintainer')
  t.match(await promote('guarded', app1, token), { status: 200, changed: 'true' })
  t.match(await promote('guarded', app1, token), { status: 200, changed: 'false' })
  await setRole('member')
  t.match(await promote('guarded', app1, token), { status: 403 })
})

test('views that clients cannot change refuse a promotion even of the latest release', async (t) => {
  await makeView(started, 'next', 'promoted')
  await move(started, 'promote', 'next', [app1])
  const { body } = await callApi(started, 'POST', '/api/v1/views/next/plans', { body: { releases: [app2] } })
  await callApi(started, 'POST', '/api/v1/views/next/previews', {
    body: { name: 'next.tomorrow', plan: String(body?.['plan']) },
  })
  const refused = await promote('next.tomorrow', app2)
  t.ok(refused.status >= 400, `${refused.status}`)
  t.equal(refused.commands, 1)
})
