import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { formatSecretKey } from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { makeOrigin } from '../../../support/origin.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap, { listen: true })
await makeOrigin(started)
const [jane, joe] = [await started.account('jane'), await started.account('joe')]
const INVITATIONS = '/api/v1/origins/acme/invitations'
const KEYS = makeKeys('acme')
const SECRET = formatSecretKey(KEYS.secretKey)
const { revision } = KEYS.secretKey

const invite = async (account: string, token?: string) =>
  callApi(started, 'POST', INVITATIONS, { body: { account }, ...(token !== undefined && { token }) })
const act = async (method: 'GET' | 'POST' | 'DELETE', path: string, token?: string) =>
  callApi(started, method, path, token === undefined ? {} : { token })

test('an account is invited, sees its invitation, accepts it, and leaves again', async (t) => {
  t.match(await invite('jane', joe), { status: 403, differences: '' })
  t.match(await invite('nobody'), { status: 404, differences: '' })
  const invited = await invite('jane')
  t.match(invited, {
    status: 201,
    differences: '',
    body: { account: 'jane', origin: 'acme', ignored: false },
  })
  t.match(await invite('jane'), { status: 409, differences: '', body: { code: 'already_exists' } })
  const id = String(invited.body?.['id'])
  t.match(await act('GET', '/api/v1/invitations', jane), {
    status: 200,
    differences: '',
    body: { invitations: [{ origin: 'acme' }] },
  })
  t.match(await act('GET', '/api/v1/invitations', joe), { body: { invitations: [] } })
  t.match(await act('GET', INVITATIONS, joe), { status: 403, differences: '' })
  t.match(await act('GET', `${INVITATIONS}?format=text`), { text: /^ID +ORIGIN .*\n\d+ +acme +jane +open/ })
  t.match(await act('POST', `${INVITATIONS}/${id}/accept`, joe), { status: 403, differences: '' })
  t.match(await act('POST', `${INVITATIONS}/${id}/accept`, jane), { status: 204, differences: '' })
  t.match(await act('GET', '/api/v1/origins/acme/members', jane), {
    body: { members: [{ account: 'admin' }, { account: 'jane', role: 'readonly_member' }] },
  })
  t.match(await act('POST', '/api/v1/origins/acme/leave', jane), { status: 204, differences: '' })
  t.match(await act('POST', '/api/v1/origins/acme/leave', jane), {
    status: 422,
    differences: '',
    body: { code: 'not_origin_member' },
  })
  t.match(await act('POST', '/api/v1/origins/acme/leave'), {
    differences: '',
    body: { code: 'owner_cannot_depart' },
  })
})

test('an invitation is ignored by its account, or withdrawn by the origin', async (t) => {
  const id = String((await invite('joe')).body?.['id'])
  t.match(await act('POST', `${INVITATIONS}/${id}/ignore`, joe), { status: 204, differences: '' })
  t.match(await act('GET', '/api/v1/invitations', joe), { body: { invitations: [] } })
  t.match(await act('GET', INVITATIONS), { body: { invitations: [{ account: 'joe', ignored: true }] } })
  t.match(await act('DELETE', `${INVITATIONS}/${id}`), { status: 204, differences: '' })
  t.match(await act('DELETE', `${INVITATIONS}/${id}`), { status: 404, differences: '' })
  t.match(await act('DELETE', `${INVITATIONS}/x`), { status: 400, differences: '' })
})

test('a secret key is stored once, and only members get it', async (t) => {
  const path = `/api/v1/origins/acme/secret-keys`
  const put = async (text: string, at = revision, token?: string) =>
    callApi(started, 'PUT', `${path}/${at}`, {
      body: text,
      headers: { 'content-type': 'text/plain' },
      ...(token !== undefined && { token }),
    })
  t.match(await act('GET', `${path}/latest`), { status: 404, differences: '' })
  t.match(await put(SECRET, revision, joe), { status: 403, differences: '' })
  t.match(await put('SIG-PUB-1\nacme'), {
    status: 422,
    differences: '',
    body: { code: 'secret_key_malformed' },
  })
  t.match(await put(SECRET, '20010101000000'), { status: 422, differences: '' })
  const stored = await put(SECRET)
  t.match(stored, { status: 201, differences: '', body: { key: `acme-${revision}` } })
  t.notMatch(stored.text, SECRET.split('\n')[3])
  t.match(await put(SECRET), { status: 200, differences: '' })
  t.match(await act('GET', `${path}/latest`), { status: 200, differences: '', body: { file: SECRET } })
  t.match(await act('GET', `${path}/latest`, joe), { status: 403, differences: '' })
})

test('the command line invites, accepts, ignores, rescinds and leaves, and carries secret keys', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-invitations-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [admin, asJane] = [commandsOn(started), commandsOn(started, jane)]
  t.match(await asJane(['origin', 'accept', 'acme']), { code: 5, stderr: /acme does not invite you/ })
  t.match(await admin(['origin', 'invite', 'acme', 'jane']), { code: 0, stdout: /^invited jane to acme/ })
  t.match(await asJane(['origin', 'invitations', '--quiet']), { code: 0, stdout: 'acme\n' })
  t.match(await admin(['origin', 'invitations', 'acme']), { code: 0, stdout: /^acme +jane +open/m })
  t.match(await asJane(['origin', 'accept', 'acme']), { code: 0, stdout: 'jane is a member of acme now\n' })
  t.match(await asJane(['origin', 'leave', 'acme']), { code: 0, stdout: 'you have left acme\n' })
  t.match(await asJane(['origin', 'leave', 'acme']), { code: 1, stderr: /not a member/ })
  t.match(await admin(['origin', 'invite', 'acme', 'jane', '--quiet']), { code: 0 })
  t.match(await asJane(['origin', 'ignore', 'acme']), { code: 0 })
  t.match(await asJane(['origin', 'invitations']), { code: 0, stdout: 'There are no invitations.\n' })
  t.match(await admin(['origin', 'rescind', 'acme', 'jane']), { code: 0 })
  t.match(await admin(['origin', 'rescind', 'acme', 'jane']), { code: 5 })
  t.match(await admin(['origin', 'change', 'acme']), { code: 2, stderr: /--new-packages/ })
  t.match(await admin(['origin', 'change', 'acme', '--new-packages', 'private']), { stdout: /private now/ })
  t.match(await admin(['origin', 'transfer', 'acme', 'nobody']), { code: 5, stderr: /nobody/ })

  const file = join(folder, 'acme.sig.key')
  await writeFile(file, SECRET)
  t.match(await admin(['key', 'upload', file]), { code: 2, stderr: /but a secret key: nothing was sent/ })
  t.match(await admin(['key', 'upload-secret', file]), {
    code: 0,
    stdout: /^the depot has the secret key acme-/,
  })
  t.match(await admin(['key', 'download-secret', 'acme']), { code: 0, stdout: `${SECRET.trimEnd()}\n` })
  await writeFile(file, 'SIG-PUB-1\nacme-20260101000000\n\nx\n')
  t.match(await admin(['key', 'upload-secret', file]), { code: 2, stderr: /is not a secret key file/ })
  t.match(await runCommand(['origin', 'acept', 'acme']), { code: 2, stderr: /did you mean origin accept\?/ })
})
