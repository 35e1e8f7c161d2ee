import { test } from 'tap'
import { ROLES } from '../../../../src/access/access.ts'
import { callApi } from '../../../support/call-api.ts'
import { createFullOrigin, createTeam } from '../../../support/storage/full-origin.ts'
import { startDepot } from '../../../support/start-depot.ts'

// habitat-today.md 6, Members.

const USERS = '/v1/depot/origins/acme/users'

test('members are listed by name', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const members = ['administrator', 'maintainer', 'mate', 'member', 'owner', 'readonly_member']
  const answer = await callApi(started, 'GET', USERS, { token: team.tokenOf('readonly_member') })
  t.match(answer, { status: 200, differences: '', body: { origin: 'acme' } })
  t.strictSame(answer.body?.['members'], members)
})

test('a role can be shown and changed, and takes effect at once', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const asMember = { token: team.tokenOf('member') }
  t.match(await callApi(started, 'GET', `${USERS}/member/role`, asMember), {
    status: 200,
    differences: '',
    text: '{"role":"member"}',
  })
  t.match(await callApi(started, 'POST', '/v1/depot/channels/acme/dev', asMember), { status: 401 })
  t.match(
    await callApi(started, 'PUT', `${USERS}/member/role?role=maintainer`, {
      token: team.tokenOf('administrator'),
    }),
    { status: 204, text: '' },
  )
  t.match(await callApi(started, 'POST', '/v1/depot/channels/acme/dev', asMember), { status: 201 })
})

test('an invalid role is reported before the role of the caller is checked', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const put = (caller: 'nobody' | 'member', role: string) =>
    callApi(started, 'PUT', `${USERS}/mate/role?role=${role}`, { token: team.tokenOf(caller) })
  t.match(await put('nobody', 'king'), { status: 422, text: "Invalid member role 'king'" })
  t.match(await put('member', 'king'), { status: 422, text: "Invalid member role 'king'", differences: '' })
  t.match(await put('nobody', 'maintainer'), { status: 401, text: '' })
  t.match(await put('member', 'maintainer'), { status: 403, text: '' })
})

test('the role of an account that is not a member is 404 for callers who may change roles', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const put = (caller: 'administrator' | 'outsider' | 'depot', account: string, role: string) =>
    callApi(started, 'PUT', `${USERS}/${account}/role?role=${role}`, { token: team.tokenOf(caller) })
  for (const account of ['stranger', 'ghost', 'outsider']) {
    t.match(await put('administrator', account, 'member'), { status: 404, text: '' }, account)
    t.match(await put('administrator', account, 'owner'), { status: 403, text: '' }, `${account} as owner`)
    t.match(await put('outsider', account, 'member'), { status: 403, text: '' }, `${account}, by an outsider`)
  }
  t.match(
    await put('depot', 'admin', 'member'),
    { status: 403, text: '' },
    'nobody can change their own role',
  )
})

test('a removed member loses access at once', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  t.match(await callApi(started, 'DELETE', `${USERS}/administrator`, { token: team.tokenOf('owner') }), {
    status: 204,
    text: '',
  })
  t.match(await callApi(started, 'GET', USERS, { token: team.tokenOf('administrator') }), {
    status: 403,
    text: '',
  })
})

test('hab gets the name of the missing role, with its article', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const needed = {
    owner: ['DELETE', `${USERS}/mate`],
    administrator: ['PUT', `${USERS}/mate/role?role=member`],
    maintainer: ['PATCH', '/v1/depot/pkgs/acme/app/1/2/private'],
    member: ['GET', `${USERS}/mate/role`],
    readonly_member: ['GET', USERS],
  } as const
  const articles = {
    owner: 'an',
    administrator: 'an',
    maintainer: 'a',
    member: 'a',
    readonly_member: 'a',
  } as const
  for (const role of ROLES) {
    const [method, path] = needed[role]
    const { text } = await callApi(started, method, path, {
      token: team.tokenOf('outsider'),
      headers: { 'user-agent': 'hab/2.1.78' },
    })
    t.match(JSON.parse(text), { msg: `outsider is not ${articles[role]} ${role} of the origin acme` })
  }
})
