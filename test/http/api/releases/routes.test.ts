import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const APP = 'acme/app/1.0.0/20260101000000'
const SECRET = 'acme/secret/1.0.0/20260101000000'

const started = await startDepot(tap)
const [app] = await makeReleases(started, APP, SECRET, `${APP} for x86_64-windows`)
await setVisibility(started, SECRET, 'private')
await move(started, 'promote', 'delivered', app === undefined ? [] : [app])
const friend = await started.account('friend')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/friend', { body: { role: 'readonly_member' } })

test('a release has all metadata and the views it is in, with times', async (t) => {
  const { status, body, differences } = await callApi(started, 'GET', `/api/v1/releases/${APP}`, {
    token: null,
  })
  t.equal(status, 200)
  t.equal(differences, '')
  t.match(body, {
    ident: APP,
    target: 'x86_64-linux',
    targets: ['x86_64-linux', 'x86_64-windows'],
    visibility: 'public',
    signature: 'verified',
    publisher: 'admin',
    manifest: `# ${APP}`,
    views: [
      { view: 'delivered', since_revision: 1, since: /Z$/ },
      { view: 'unstable', since_revision: 1 },
    ],
  })
})

test('releases of several targets are kept apart', async (t) => {
  t.match(await callApi(started, 'GET', `/api/v1/releases/${APP}?target=x86_64-windows`), {
    differences: '',
    body: { target: 'x86_64-windows', views: [{ view: 'unstable', since_revision: 3 }] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/releases/${APP}?target=aarch64-linux`), {
    status: 404,
    differences: '',
  })
})

test('a private release is visible only to members of its origin', async (t) => {
  t.match(await callApi(started, 'GET', `/api/v1/releases/${SECRET}`, { token: friend }), {
    status: 200,
    differences: '',
  })
  const hidden = await callApi(started, 'GET', `/api/v1/releases/${SECRET}`, { token: null })
  const absent = await callApi(started, 'GET', '/api/v1/releases/acme/absent/1/1', { token: null })
  t.match(hidden, { status: 404, differences: '' })
  t.equal(
    String(hidden.body?.['detail']).replace(SECRET, '…'),
    String(absent.body?.['detail']).replace('acme/absent/1/1', '…'),
  )
})

test('no answer contains a row id, except those of tokens, which are revoked by id', async (t) => {
  for (const url of [
    `releases/${APP}`,
    'views',
    'views/delivered/members',
    'views/delivered/history',
    'origins/acme',
    'origins/acme/members',
    'whoami',
  ]) {
    const { text } = await callApi(started, 'GET', `/api/v1/${url}`)
    t.notMatch(text.replace(/"token":\{"id":/, ''), /"(\w+_)?id":/, url)
  }
})
