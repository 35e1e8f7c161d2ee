import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { formatSecretKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import { callApi } from '../support/call-api.ts'
import { importInto, membersOf } from '../support/copies/import.ts'
import { APP, NEWER, startSource } from '../support/copies/import-source.ts'
import { startLiar } from '../support/faults/lying-depot.ts'
import { bearer, makeOrigin, promoteTo, publishAll } from '../support/origin.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const HART_DEPOT_TOKEN = ADMIN_TOKEN

async function rolesIn(depot: TestDepot): Promise<Record<string, string>> {
  const { body } = await callApi(depot, 'GET', '/api/v1/origins/acme/members')
  const members = body?.['members'] as { account: string; role: string }[]
  return Object.fromEntries(members.map(({ account, role }) => [account, role]))
}

test('members, roles, the owner and the secret key are copied as far as the token may', async (t) => {
  const { source } = await startSource(t)
  const [, maintainer] = [await source.account('alice'), await source.account('ci')]
  await source.account('guest')
  for (const [account, role] of [
    ['alice', 'administrator'],
    ['ci', 'maintainer'],
    ['guest', 'readonly_member'],
  ])
    await callApi(source, 'PUT', `/api/v1/origins/acme/members/${account}`, { body: { role } })
  await callApi(source, 'POST', '/v1/depot/origins/acme/transfer/alice')
  const secret = formatSecretKey(makeKeys('acme', '20270101000000').secretKey)
  const put = await callApi(source, 'PUT', '/api/v1/origins/acme/secret-keys/20270101000000', {
    body: secret,
  })
  t.match(put.status, /^20[01]$/)

  const destination = await startDepot(t, { listen: true })
  await destination.account('alice')
  const anonymous = await importInto(destination, source.url)
  t.match(anonymous, { failures: [], notes: [], copied: { people: 0, secretKeys: 0 } })
  t.strictSame(
    await rolesIn(destination),
    { alice: 'owner', admin: 'maintainer' },
    'the owner is as at the source',
  )

  const known = await importInto(destination, source.url, { token: maintainer })
  t.match(known, { failures: [], copied: { people: 0, secretKeys: 1, accounts: 0 } })
  t.match(
    known.notes.join('\n'),
    /ci is maintainer of acme at the source, but has no account here: --create-accounts/,
  )
  t.equal((await callApi(destination, 'GET', '/v1/depot/origins/acme/secret_keys/latest')).text, secret)
  const made = await importInto(destination, source.url, { token: maintainer, createsAccounts: true })
  t.match(made, { failures: [], notes: [], copied: { people: 2, secretKeys: 0, accounts: 2 } })
  t.strictSame(await rolesIn(destination), {
    admin: 'maintainer',
    alice: 'owner',
    ci: 'maintainer',
    guest: 'readonly_member',
  })
})

test('an account that is a member keeps its role, also where members fill several pages', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  await importInto(destination, source.url)
  const member = '/api/v1/origins/acme/members/zoe'
  for (const depot of [source, destination]) {
    await depot.account('zoe')
    const role = depot === source ? 'administrator' : 'readonly_member'
    await callApi(depot, 'PUT', member, { body: { role } })
  }
  for (let nth = 100; nth < 200; nth += 1) {
    await destination.account(`many${nth}`)
    const body = { role: 'readonly_member' }
    await callApi(destination, 'PUT', `/api/v1/origins/acme/members/many${nth}`, { body })
  }
  const again = await importInto(destination, source.url, { token: ADMIN_TOKEN })
  t.match(again, { failures: [], copied: { people: 0 } })
  const found = await callApi(destination, 'GET', '/api/v1/origins/acme/members?limit=1000')
  const members = found.body?.['members'] as { account: string; role: string }[]
  t.equal(members.find(({ account }) => account === 'zoe')?.role, 'readonly_member')
})

test('a token that expires ends the import; one without rights is told in a note', async (t) => {
  const { source } = await startSource(t)
  const token = await source.account('guest')
  const destination = await startDepot(t, { listen: true })
  for (const isExpired of [true, false]) {
    // Builder gives public packages to anyone, and answers 401 to a token that has expired or is not enough.
    const { url } = await startLiar(t, source.url, (path, answer) => {
      const isAbout = /\/users$|\/secret_keys\//.test(path) || (isExpired && path.endsWith('/profile'))
      if (isAbout) answer.writeHead(401).end()
      return isAbout
    })
    const importing = importInto(destination, url, { token })
    if (isExpired) await t.rejects(importing, { failure: 'unauthenticated', message: /401/ })
    else t.match((await importing).notes.join('\n'), /may not see the members of acme/)
  }
})

test('a run that changes nothing says so, --compare finds what differs, and --exact demotes it', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const args = ['import-builder', source.url, '--to', destination.url, '--origin', 'acme']
  const importing = (...more: string[]) => runHere([...args, ...more], { HART_DEPOT_TOKEN })
  t.match(await importing('--compare'), {
    code: 0,
    stdout: /\nBoth depots have the same 1 key, 4 releases and 5 members of channels\.\n$/,
  })
  const file = join(await scratchFolder(t), 'history')
  t.match(await importing('--history', file), {
    code: 0,
    stdout: /\nSaved 5 promotions and demotions of the source\.\n/,
  })
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  t.match(
    lines.map((line) => JSON.parse(line) as unknown),
    Array.from({ length: 5 }, () => ({
      at: /^2026-01-01T00:00:0.*Z$/,
      operation: 'Promote',
      origin: 'acme',
    })),
  )
  t.match(await importing(), { code: 0, stdout: /\nNothing was changed: the destination has all of it\.\n$/ })

  const demote = `${source.url}/v1/depot/channels/acme/acceptance/pkgs/${NEWER.slice('acme/'.length)}/demote?target=x86_64-linux`
  t.equal((await ask(demote, { method: 'PUT', headers: bearer() })).status, 200)
  t.match(await importing('--compare', '--dry-run'), {
    code: 8,
    stdout: new RegExp(
      `The depots differ:\\nthe channel acceptance of acme has ${NEWER} for x86_64-linux only here\\n`,
    ),
  })
  t.match(await importing('--exact', '--compare'), { code: 0, stdout: /; demoted 1\n/ })
  t.strictSame(await membersOf(destination, 'acceptance'), [`${APP} for x86_64-linux`])
  t.match(await importing('--exact'), { stdout: /Nothing was changed/ })
})

test('--exact demotes nothing of a package of which the source could not be read or copied', async (t) => {
  const { source, harts } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  let refused: RegExp | undefined
  const { url } = await startLiar(t, source.url, (path, answer) => {
    const isRefused = refused?.test(path) === true
    if (isRefused) answer.writeHead(400).end()
    return isRefused
  })
  const args = ['import-builder', url, '--to', destination.url, '--origin', 'acme', '--exact']
  const importing = (...more: string[]) => runHere([...args, ...more], { HART_DEPOT_TOKEN })
  t.match(await importing(), { code: 0 })
  const before = await membersOf(destination, 'acceptance')
  t.equal(before.length, 2)

  refused = /channels\/acme\/acceptance\/pkgs\/app\?/
  t.match(await importing(), { code: 1, stderr: /the channel acceptance of acme: / })
  t.strictSame(await membersOf(destination, 'acceptance'), before, 'the members could not be listed')

  const [latest] = await publishAll(source, 'acme/app/2.0.0/20260104120000')
  if (latest === undefined) throw new Error('nothing is published')
  await promoteTo(source, 'acceptance', latest)
  for (const hart of harts.filter(({ target, ident }) => target === 'x86_64-linux' && ident.name === 'app'))
    await promoteTo(source, 'acceptance', hart, 'demote')
  refused = /2\.0\.0\/20260104120000\/download/
  t.match(await importing(), { code: 1 })
  t.strictSame(await membersOf(destination, 'acceptance'), before, 'the newer release could not be copied')

  refused = undefined
  t.match(await importing('--compare'), { code: 0, stdout: /; demoted 2\n/ })
  t.strictSame(await membersOf(destination, 'acceptance'), [
    `${formatIdent(latest.ident)} for ${latest.target}`,
  ])
})

test('--compare and --exact find a package that only the destination has', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  await makeOrigin(destination)
  const [own] = await publishAll(destination, 'acme/own/1.0.0/20260101120000')
  if (own === undefined) throw new Error('nothing is published')
  await promoteTo(destination, 'acceptance', own)
  const args = ['import-builder', source.url, '--to', destination.url, '--origin', 'acme']
  const importing = (...more: string[]) => runHere([...args, ...more], { HART_DEPOT_TOKEN })
  t.match(await importing('--compare'), {
    code: 8,
    stdout:
      /the channel acceptance of acme has acme\/own\/1\.0\.0\/20260101120000 for x86_64-linux only here\n/,
  })
  t.match(await importing('--exact', '--compare'), { code: 0, stdout: /; demoted 1\n/ })
  t.notMatch(await membersOf(destination, 'acceptance'), [/own/])
})
