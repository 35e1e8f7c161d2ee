import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { ask } from '../../../support/ask.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const SSL = `core/openssl/1.1.1/${STAMP}`
const CURL = `core/curl/8.0/${STAMP}`
const APP = `acme/app/1.0/${STAMP}`
const started = await startDepot(tap, { listen: true })
const [ssl, curl, app, secret] = (await makeReleases(
  started,
  SSL,
  { name: CURL, deps: [SSL] },
  { name: APP, deps: [CURL], tdeps: [CURL, SSL] },
  { name: `acme/secret/1.0/${STAMP}`, deps: [SSL] },
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
await setVisibility(started, secret.ident, 'private')
await makeView(started, 'open', 'highest')
await move(started, 'promote', 'union', [ssl, app])
await move(started, 'promote', 'open', [app])

const why = async (ident: string, token?: string | null) =>
  callApi(started, 'GET', `/api/v1/releases/${ident}/why`, token === undefined ? {} : { token })

test('a release is explained by its views, by chains of what needs it there, and by what keeps it', async (t) => {
  const proposal = await callApi(started, 'POST', '/api/v1/views/rehearsal/proposals', {
    body: { releases: [ssl] },
  })
  t.match(await why(SSL), {
    status: 200,
    differences: '',
    body: {
      kept_by: [
        { view: 'union', detail: 'it is in union: demote it first' },
        { view: null, detail: 'it is in an open proposal for rehearsal: apply or reject it first' },
        { view: null, detail: /other packages depend on core\/openssl/ },
      ],
      views: [
        { view: 'union', latest: true, keeps: true, needed_by: [[APP, CURL, SSL]], needed_by_hidden: false },
      ],
      proposals: [{ plan: proposal.body?.['plan'], view: 'rehearsal', act: 'promote' }],
      more_dependents: false,
      reasons: [
        { kind: 'view', view: 'unstable', chain: ['unstable@1', SSL] },
        { kind: 'view', view: 'union', chain: ['union@1', SSL] },
        { kind: 'proposal', view: 'rehearsal', chain: [`proposal ${String(proposal.body?.['plan'])}`, SSL] },
        { kind: 'view', view: 'unstable', chain: ['unstable@2', CURL, SSL] },
        { kind: 'view', view: 'unstable', chain: ['unstable@3', APP, CURL, SSL] },
        { kind: 'view', view: 'union', chain: ['union@1', APP, CURL, SSL] },
        { kind: 'view', view: 'open', chain: ['open@1', APP, CURL, SSL] },
        { chain: ['unstable@4', secret.ident, SSL] },
      ],
      hidden_reasons: false,
    },
  })
  t.match(await why(APP), {
    body: {
      kept_by: [{ view: 'union' }],
      views: [
        { view: 'union', keeps: true },
        { view: 'open', keeps: false, rule: 'highest' },
      ],
      dependents: [],
    },
  })
  t.match(await why(curl.ident), { body: { views: [], kept_by: [{ view: null }] } })
  t.match(await why(`acme/nothing/1.0/${STAMP}`), { status: 404, differences: '' })
})

test('only what the caller may see is named', async (t) => {
  await move(started, 'promote', 'union', [secret])
  t.match(await why(SSL), {
    body: {
      views: [
        {
          needed_by: [
            [APP, CURL, SSL],
            [secret.ident, SSL],
          ],
          needed_by_hidden: false,
        },
      ],
    },
  })
  const anonymous = await why(SSL, null)
  t.match(anonymous, {
    differences: '',
    body: { views: [{ needed_by: [[APP, CURL, SSL]], needed_by_hidden: true }] },
  })
  t.notMatch(anonymous.text, 'secret')
  t.match(await why(secret.ident, null), { status: 404 })
})

test('dependents are listed page by page', async (t) => {
  const list = async (query: string, token?: null) =>
    callApi(
      started,
      'GET',
      `/api/v1/releases/${SSL}/dependents${query}`,
      token === undefined ? {} : { token },
    )
  const all = await list('')
  t.match(all, { status: 200, differences: '', body: { next: null } })
  const idents = (answer: typeof all) =>
    ((answer.body?.['dependents'] ?? []) as { ident: string }[]).map(({ ident }) => ident)
  t.strictSame(idents(all).toSorted(), [APP, CURL, secret.ident].toSorted())
  const first = await list('?limit=2')
  const next = new URL(String(first.body?.['next']), started.url).search
  t.strictSame([...idents(first), ...idents(await list(next))], idents(all))
  t.strictSame(idents(await list('', null)).toSorted(), [APP, CURL].toSorted())
  const { text } = await ask(`${started.url}/api/v1/releases/${SSL}/why`, {
    headers: { ...bearer(), accept: 'text/plain' },
  })
  t.match(text, /^core\/openssl\S+ \(x86_64-linux\) cannot be deleted:\n {2}it is in union/)
  t.match(text, `\n  ${APP} → ${CURL} → ${SSL}\n`)
})

test('why explains a release on the command line', async (t) => {
  const run = commandsOn(started)
  const { code, stdout } = await run(['why', SSL])
  t.equal(code, 0)
  t.match(stdout, `union: latest since revision `)
  t.match(stdout, `\n  ${APP} → ${CURL} → ${SSL}\n`)
  t.match(await run(['why', SSL, '--quiet']), { code: 0, stdout: 'union\n' })
  t.match(await run(['why', `acme/nothing/1.0/${STAMP}`]), { code: 5 })
})

test('what is not kept can be deleted', async (t) => {
  await move(started, 'demote', 'union', [app])
  t.match(await why(APP), { body: { kept_by: [] } })
  t.match(await callApi(started, 'GET', `/api/v1/releases/${APP}/why?format=text`), {
    text: new RegExp(`^${APP} \\(x86_64-linux\\) can be deleted\\.\n\nopen: latest since revision 1`),
  })
})
