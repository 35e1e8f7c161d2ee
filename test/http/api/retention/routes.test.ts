import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { DAY_MS } from '../../../support/storage/retention.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const app = (version: number, name = 'app') => `acme/${name}/${version}/${STAMP}`
const started = await startDepot(tap, { listen: true })
const run = commandsOn(started)
const [one, two] = (await makeReleases(started, app(1), app(2), app(3), app(4), app(5), {
  name: `other/secret/1/${STAMP}`,
  deps: [app(4)],
})) as [ReleaseRow, ReleaseRow]
await setVisibility(started, `other/secret/1/${STAMP}`, 'private')
const member = await started.account('alice')
const stranger = await started.account('bob')
for (const [account, role] of [
  ['alice', 'administrator'],
  ['bob', 'member'],
] as const)
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account, role },
    actor: { client: 'tests', door: 'cli' },
  })
await move(started, 'promote', 'union', [one])
await move(started, 'promote', 'union', [two])
await move(started, 'demote', 'union', [one])

const api = async (
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  path: string,
  options: { token?: string | null; body?: unknown } = {},
) => callApi(started, method, `/api/v1${path}`, options)

/** Returns what each listed rule is about. */
function names({ body }: { body: Record<string, unknown> | undefined }): string[] {
  const rules = (body?.['rules'] ?? []) as { origin: string; package: string; view: string }[]
  return rules.map((rule) => rule.origin ?? rule.package ?? rule.view)
}

test('rules are set, listed and removed by those who may', async (t) => {
  const rule = { keep_last: 1 }
  t.match(await api('PUT', '/retention/rules/origins/acme', { token: member, body: rule }), {
    status: 200,
    differences: '',
    body: { origin: 'acme', view: null, rule, text: 'the last 1', by: 'alice' },
  })
  const all = { keep_all: true }
  t.match(await api('PUT', '/retention/rules/packages/acme/lib', { body: all }), { status: 200 })
  t.match(await api('PUT', '/retention/rules/views/union', { body: { history_seconds: 60 } }), {
    status: 200,
  })
  for (const [path, token] of [
    ['origins/acme', stranger],
    ['depot', member],
    ['views/union', member],
    ['packages/other/secret', member],
  ] as const)
    t.match(await api('PUT', `/retention/rules/${path}`, { token, body: rule }), {
      status: 403,
      differences: '',
    })
  t.match(await api('PUT', '/retention/rules/depot', { token: null, body: rule }), { status: 401 })
  for (const body of [{}, { keep_last: 0 }, { keep_all: true, keep_last: 1 }, { history_seconds: 60 }])
    t.match(await api('PUT', '/retention/rules/depot', { body }), { status: 400, differences: '' })
  t.match(await api('PUT', '/retention/rules/views/union', { body: { promoted_to: ['stable'] } }), {
    status: 400,
  })
  t.match(await api('PUT', '/retention/rules/views/nothing', { body: rule }), { status: 404 })
  t.match(await api('PUT', '/retention/rules/depot', { body: { promoted_to: ['nothing'] } }), { status: 404 })
  t.strictSame(names(await api('GET', '/retention/rules')), ['acme', 'acme/lib', 'union'])
  const outsider = await started.account('carol')
  t.strictSame(names(await api('GET', '/retention/rules', { token: outsider })), ['acme', 'union'])
  t.match(await api('DELETE', '/retention/rules/packages/acme/lib'), { status: 204 })
  t.match(await api('DELETE', '/retention/rules/packages/acme/lib'), { status: 404 })
})

test('the dry run says why each release stays or goes, and names nothing hidden', async (t) => {
  started.setClock(START + 400 * DAY_MS)
  const verdicts = await api('GET', '/retention/verdicts?origin=acme&limit=3')
  t.match(verdicts, {
    differences: '',
    body: {
      verdicts: [
        { ident: app(5), goes: false, reasons: [{ kind: 'last' }] },
        { ident: app(4), goes: false, detail: new RegExp(`needed by other/secret/1`) },
        { ident: app(3), goes: true, freed_bytes: 1, reasons: [] },
      ],
      freed_bytes: 1,
      next: String,
    },
  })
  t.match(await callApi(started, 'GET', String(verdicts.body?.['next'])), {
    body: {
      verdicts: [
        { ident: app(2), reasons: [{ kind: 'view' }] },
        { ident: app(1), goes: true },
      ],
      next: null,
    },
  })
  const redacted = await api('GET', '/retention/verdicts?origin=acme&format=text', { token: member })
  t.match(redacted.text, /stays {2}acme\/app\/4.*needed by a release that you may not see/)
  t.notMatch(redacted.text, /secret/)
  t.match(await api('GET', '/retention/verdicts?origin=other', { token: member }), { status: 403 })
  t.match(await api('GET', '/retention/verdicts', { token: member }), { status: 403 })
  t.match(await api('GET', '/retention/verdicts?name=app'), { status: 400, differences: '' })
  t.match(await api('GET', '/retention/verdicts?origin=acme&name=app&only=going'), {
    body: { verdicts: [{ ident: app(3) }, { ident: app(1) }], next: null },
  })
  const dry = await run(['retention', '--dry-run', '--only', 'going'])
  t.match(dry, { code: 0, stdout: /2 of 2 releases would go, and 2 B come free/ })
})

test('pins and registered lockfiles keep releases, also from deletion', async (t) => {
  t.match(await run(['pin', 'union@1', '--reason', 'the fair']), { code: 0, stdout: /union@1 is now pinned/ })
  t.match(await run(['pin', 'union', '--reason', 'today']), { code: 0, stdout: /union@3 is now pinned/ })
  t.match(await run(['pin', 'union@99', '--reason', 'the fair']), { code: 5 })
  t.match(await run(['unpin', 'union']), { code: 2 })
  t.match(await run(['pins', '--quiet']), { stdout: 'union@1\nunion@3\n' })
  t.match(await api('PUT', '/views/union/pins/2', { token: stranger, body: { reason: 'mine' } }), {
    status: 403,
  })
  t.match(await api('GET', `/retention/verdicts?origin=acme&only=going`), {
    body: { verdicts: [{ ident: app(3) }] },
  })
  t.match(await api('GET', `/releases/${app(1)}/why`), {
    differences: '',
    body: {
      kept_by: [
        { detail: 'it is in the pinned revision union@1 (the fair): unpin it first' },
        { view: null },
      ],
      reasons: [{ kind: 'pin', view: 'union', chain: ['pinned union@1', app(1)] }],
    },
  })
  t.match(await run(['unpin', 'union@3']), { code: 0 })
  const lockfile = (await api('GET', '/views/union/lockfile')).text
  t.match(await run(['lockfile', 'register', 'fair', '/dev/stdin']), { code: 1 })
  const put = async (name: string, body: string) =>
    started.app.inject({
      method: 'PUT',
      url: `/api/v1/lockfiles/${name}`,
      headers: { authorization: 'Bearer administrator-token-of-the-tests', 'content-type': 'text/plain' },
      payload: body,
    })
  t.match(await put('fair', lockfile), { statusCode: 200 })
  t.match(await put('fair', lockfile.replace('union', 'onion')), { statusCode: 422 })
  t.match(await put('-', lockfile), { statusCode: 400 })
  t.match(await run(['lockfile', 'list']), { stdout: /fair +union@3 +1 +admin/ })
  await move(started, 'demote', 'union', [two])
  started.setClock(START + 800 * DAY_MS)
  t.match(await api('GET', `/releases/${app(2)}/why`), {
    body: { reasons: [{ kind: 'lockfile', chain: ['lockfile fair', app(2)] }] },
  })
  t.match(await run(['why', app(2)]), { stdout: /Kept by:\n {2}lockfile fair → acme\/app\/2/ })
  t.match(await run(['lockfile', 'unregister', 'fair']), { code: 0 })
  t.match(await run(['lockfile', 'unregister', 'fair']), { code: 5 })
})

test('the command removes what goes, and brings it back', async (t) => {
  t.match(await run(['retention', '--only', 'going']), { code: 2 })
  t.match(await run(['retention', '--yes', '--quiet']), { code: 0, stdout: `${app(2)}\n${app(3)}\n` })
  t.match(await run(['retention', '--yes']), { stdout: /Removed 0 releases/ })
  t.match(await run(['retention', 'quarantine', '--quiet']), { stdout: `${app(2)}\n${app(3)}\n` })
  t.match(
    await run(['retention', 'return', app(3)]),
    { code: 5, stderr: /gone or damaged/ },
    'these releases have no bytes',
  )
  t.match(await api('POST', '/retention/runs', { token: member, body: {} }), { status: 403, differences: '' })
  t.match(await run(['retention', 'set', '--view', 'union', '--keep-last', '3', '--history', '14d']), {
    code: 0,
    stdout: /Kept of view union: the last 3, 14d of history/,
  })
  t.match(await run(['retention', 'set', '--keep-last', '3']), { code: 2 })
  for (const [options, refusal] of [
    [['--view', 'union', '--keep-all'], /of a view has --keep-last, --newer-than and --history/],
    [['--view', 'union', '--promoted-to', 'stable'], /of a view has --keep-last, --newer-than and --history/],
    [['--depot', '--history', '14d'], /--history is for --view/],
    [['--depot', '--keep-all', '--keep-last', '3'], /--keep-all keeps everything/],
    [['--depot', '--keep-last', '0'], /--keep-last must be from 1 to 1000;/],
    [['--depot', '--newer-than', '0d'], /--newer-than must be from 1s to 3650d;/],
    [['--depot'], /say what stays: --keep-all, --keep-last/],
  ] as const)
    t.match(await run(['retention', 'set', ...options]), { code: 2, stderr: refusal })
  t.match((await run(['retention', 'set', '--help'])).stdout, /ever\s+in\s+this\s+view\s+stays;\s/)
  t.match(await run(['retention', 'rules', '--quiet']), { stdout: 'origin acme\nview union\n' })
  t.match(await run(['retention', 'unset', '--view', 'union']), { code: 0 })
  t.match(await run(['retention', 'unset', '--depot']), { code: 5 })
})
