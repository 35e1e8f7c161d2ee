import tap, { test } from 'tap'
import { Authenticator } from '../../src/accounts/authenticate.ts'
import { listTokens } from '../../src/accounts/account-store.ts'
import { generateToken, hashToken } from '../../src/accounts/token.ts'
import { ADMIN_TOKEN, START, startDepot } from '../support/start-depot.ts'

const OPERATOR = { client: 'tests', door: 'cli' } as const

const started = await startDepot(tap)
const { authenticator, db, writer } = started.depot
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

async function tokenIdOf(account: string): Promise<number> {
  return (await listTokens(db, { account })).at(-1)?.id ?? 0
}

test('a request without a credential is anonymous', async (t) => {
  t.equal(await authenticator.identify(undefined), undefined)
})

test('a token is accepted as Bearer, or as the password of Basic, with any user and spelling of the scheme', async (t) => {
  for (const header of [
    `Bearer ${ADMIN_TOKEN}`,
    `bearer ${ADMIN_TOKEN}`,
    `  BEARER   ${ADMIN_TOKEN} `,
    basic(`ci:${ADMIN_TOKEN}`),
    basic(`:${ADMIN_TOKEN}`),
  ]) {
    t.match(await authenticator.identify(header), { accountName: 'admin', isAdministrator: true }, header)
  }
})

test('a wrong or malformed credential is refused and never anonymous', async (t) => {
  for (const header of [
    '',
    'Bearer',
    'Bearer wrong',
    `Bearer ${ADMIN_TOKEN} more`,
    ADMIN_TOKEN,
    `Token ${ADMIN_TOKEN}`,
    basic(ADMIN_TOKEN),
    basic(`${ADMIN_TOKEN}:`),
    'Basic ???',
  ]) {
    await t.rejects(async () => authenticator.identify(header), { code: 'unauthenticated' }, header)
  }
})

test('a refusal does not repeat the credential', async (t) => {
  for (const header of ['Bearer wrong-secret-token', 'Token wrong-secret-token', 'wrong-secret-token']) {
    await t.rejects(
      async () => authenticator.identify(header),
      { message: /^(?!.*wrong-secret-token)/ },
      header,
    )
  }
})

test('a revoked token is refused after the commit, even if it was cached', async (t) => {
  const token = await started.account('leaver')
  t.match(await authenticator.identify(`Bearer ${token}`), { accountName: 'leaver' })
  await writer.submit({ kind: 'revokeToken', input: { tokenId: await tokenIdOf('leaver') }, actor: OPERATOR })
  await t.rejects(async () => authenticator.identify(`Bearer ${token}`), { code: 'unauthenticated' })
  await t.rejects(
    writer.submit({ kind: 'revokeToken', input: { tokenId: await tokenIdOf('leaver') }, actor: OPERATOR }),
    { code: 'conflict' },
  )
})

test('a token expires by the clock, even if it was cached', async (t) => {
  const token = generateToken()
  const expiresAt = START + 3_600_000
  await writer.submit({ kind: 'addAccount', input: { name: 'brief' }, actor: OPERATOR })
  await writer.submit({
    kind: 'issueToken',
    input: { account: 'brief', hash: hashToken(token), label: 'brief', expiresAt },
    actor: OPERATOR,
  })
  t.match(await authenticator.identify(`Bearer ${token}`), { accountName: 'brief' })
  started.setClock(expiresAt)
  await t.rejects(async () => authenticator.identify(`Bearer ${token}`), {
    code: 'unauthenticated',
    message: 'the token has expired',
  })
})

test('a new role applies after the commit', async (t) => {
  const token = await started.account('joiner')
  await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor: OPERATOR })
  t.equal((await authenticator.identify(`Bearer ${token}`))?.roles.size, 0)
  await writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'joiner', role: 'maintainer' },
    actor: OPERATOR,
  })
  t.equal((await authenticator.identify(`Bearer ${token}`))?.roles.get('acme'), 'maintainer')
  await writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'joiner', role: null },
    actor: OPERATOR,
  })
  t.equal((await authenticator.identify(`Bearer ${token}`))?.roles.get('acme'), undefined)
})

test('a session read during the revocation of its token is not cached', async (t) => {
  const token = await started.account('racer')
  const own = new Authenticator(db, started.depot.now)
  started.depot.follower.subscribe('sessions', own)
  const [identified] = await Promise.allSettled([
    own.identify(`Bearer ${token}`),
    writer.submit({ kind: 'revokeToken', input: { tokenId: await tokenIdOf('racer') }, actor: OPERATOR }),
  ])
  t.ok(identified)
  await t.rejects(async () => own.identify(`Bearer ${token}`), { code: 'unauthenticated' })
})

test('issuing and revoking tokens keeps the sessions of others in memory', async (t) => {
  const header = `Bearer ${await started.account('bystander')}`
  await authenticator.identify(header)
  const token = await started.account('busy')
  await authenticator.identify(`Bearer ${token}`)
  await writer.submit({ kind: 'revokeToken', input: { tokenId: await tokenIdOf('busy') }, actor: OPERATOR })
  t.notOk(authenticator.identify(header) instanceof Promise, 'known without a read')
  await t.rejects(async () => authenticator.identify(`Bearer ${token}`), { code: 'unauthenticated' })
})

test('many sessions displace the expired ones first, and then those that were used least recently', async (t) => {
  const own = new Authenticator(db, started.depot.now, { maxSessions: 3 })
  const isKnown = (token: string) => !(own.identify(`Bearer ${token}`) instanceof Promise)
  const [polling, idle, later, last] = [
    await started.account('polling'),
    await started.account('idle'),
    await started.account('later'),
    await started.account('last'),
  ]
  const brief = generateToken()
  const expiresAt = started.depot.now() + 60_000
  await writer.submit({
    kind: 'issueToken',
    input: { account: 'later', hash: hashToken(brief), label: 'brief', expiresAt },
    actor: OPERATOR,
  })
  for (const token of [polling, idle, brief]) await own.identify(`Bearer ${token}`)
  started.setClock(expiresAt)
  await own.identify(`Bearer ${later}`)
  t.ok([polling, later].every(isKnown))
  t.ok(isKnown(idle))
  t.ok(isKnown(polling))
  t.ok(isKnown(later))
  await own.identify(`Bearer ${last}`)
  t.ok([polling, later, last].every(isKnown))
  t.notOk(isKnown(idle))
})

test('the name of an account fits a URL and a log, and is unique', async (t) => {
  for (const name of ['', '-x', 'a b', 'a/b', 'é', 'x'.repeat(101)])
    await t.rejects(
      writer.submit({ kind: 'addAccount', input: { name }, actor: OPERATOR }),
      { code: 'invalid_request' },
      name,
    )
  await t.rejects(writer.submit({ kind: 'addAccount', input: { name: 'admin' }, actor: OPERATOR }), {
    code: 'already_exists',
  })
  await t.rejects(
    writer.submit({
      kind: 'issueToken',
      input: { account: 'nobody', hash: 'h', label: 'l' },
      actor: OPERATOR,
    }),
    { code: 'not_found' },
  )
})

test('only the hash of a token is stored, in the database and in the ledger', async (t) => {
  const token = await started.account('keeper')
  const rows = JSON.stringify([
    await db.selectFrom('tokens').selectAll().execute(),
    await db.selectFrom('ledger').select('text').execute(),
  ])
  t.notOk(rows.includes(token) || rows.includes(ADMIN_TOKEN))
  t.notOk(JSON.stringify(await db.selectFrom('ledger').select('text').execute()).includes(hashToken(token)))
})
