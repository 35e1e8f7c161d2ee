import { test } from 'tap'
import { ROLES } from '../../../src/access/access.ts'
import type { Action, Role, Scope } from '../../../src/access/access.ts'
import { generateToken, hashToken } from '../../../src/accounts/token.ts'
import { formatPublicKey, formatSecretKey } from '../../../src/hart/origin-key.ts'
import { ask, converse } from '../../support/ask.ts'
import { buildHart, makeKeys } from '../../support/build-hart.ts'
import { bearer, makeOrigin, uploadPath } from '../../support/origin.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { ADMIN_TOKEN, START, startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Returns the n-th request of a caller with the right. Each request is for another thing. */
  readonly asks: (n: number) => { readonly path: string; readonly body?: string | Buffer }
  /** `undefined` if any signed-in caller has the right. */
  readonly least?: Role
  readonly action: Action
  /** Whether a token can be narrowed to views for this route. */
  readonly view?: string
  /** Whether the body names the origin. */
  readonly isJudgedByBody?: true
  readonly done: number
  /** The status for callers with less than that. */
  readonly refused: 401 | 403
}

const RELEASE = 'app/1.0.0/20260101120000'
const hartOf = (n: number) => buildHart({ ident: `acme/app/2.${n}/20260101120000` })
const keysOf = (n: number, year: number) => makeKeys('acme', `${year}0101${String(100_000 + n)}`)

/** habitat-2016.md 1.10 to 1.14, habitat-today.md 3.1 to 3.3. */
const ROUTES: Readonly<Record<string, Route>> = {
  'create an origin': {
    method: 'POST',
    asks: (n) => ({ path: 'origins', body: `{"name":"origin-${n}"}` }),
    action: 'manage',
    isJudgedByBody: true,
    done: 201,
    refused: 403,
  },
  'make a pair of keys': {
    method: 'POST',
    asks: () => ({ path: 'origins/acme/keys' }),
    least: 'administrator',
    action: 'manage',
    done: 201,
    refused: 403,
  },
  'add a public key': {
    method: 'POST',
    asks: (n) => ({
      path: `origins/acme/keys/${keysOf(n, 2027).publicKey.revision}`,
      body: formatPublicKey(keysOf(n, 2027).publicKey),
    }),
    least: 'administrator',
    action: 'manage',
    done: 201,
    refused: 403,
  },
  'add a secret key': {
    method: 'POST',
    asks: (n) => ({
      path: 'origins/acme/secret_keys/acme',
      body: formatSecretKey(keysOf(n, 2028).secretKey),
    }),
    least: 'administrator',
    action: 'manage',
    done: 201,
    refused: 403,
  },
  'have a secret key': {
    method: 'GET',
    asks: () => ({ path: 'origins/acme/secret_keys/latest' }),
    least: 'member',
    action: 'read',
    done: 200,
    refused: 403,
  },
  'upload a package': {
    method: 'POST',
    asks: (n) => ({ path: uploadPath(hartOf(n)).replace('/v1/depot/', ''), body: hartOf(n).bytes }),
    least: 'member',
    action: 'upload',
    done: 201,
    refused: 403,
  },
  'promote into a view': {
    method: 'POST',
    asks: () => ({ path: `views/acceptance/pkgs/acme/${RELEASE}/promote` }),
    least: 'maintainer',
    action: 'promote',
    view: 'acceptance',
    done: 200,
    refused: 403,
  },
  'create a channel': {
    method: 'POST',
    asks: (n) => ({ path: `channels/acme/new-${n}` }),
    least: 'maintainer',
    action: 'promote',
    done: 201,
    refused: 401,
  },
  'delete a channel': {
    method: 'DELETE',
    asks: (n) => ({ path: `channels/acme/old-${n}` }),
    least: 'maintainer',
    action: 'promote',
    done: 200,
    refused: 401,
  },
  'promote into a channel': {
    method: 'PUT',
    asks: () => ({ path: `channels/acme/stable/pkgs/${RELEASE}/promote?target=x86_64-linux` }),
    least: 'maintainer',
    action: 'promote',
    view: 'stable',
    done: 200,
    refused: 401,
  },
  'demote from a channel': {
    method: 'PUT',
    asks: (n) => ({
      path: `channels/acme/base/pkgs/in-base/1.${n}/20260101120000/demote?target=x86_64-linux`,
    }),
    least: 'maintainer',
    action: 'promote',
    view: 'base',
    done: 200,
    refused: 401,
  },
  'promote all of a channel': {
    method: 'PUT',
    asks: () => ({ path: 'channels/acme/base/pkgs/promote?channel=stable' }),
    least: 'maintainer',
    action: 'promote',
    view: 'stable',
    done: 200,
    refused: 401,
  },
  'make a package public': {
    method: 'PATCH',
    asks: () => ({ path: `pkgs/acme/${RELEASE}/public` }),
    least: 'maintainer',
    action: 'manage',
    done: 200,
    refused: 403,
  },
  'delete a package': {
    method: 'DELETE',
    asks: (n) => ({ path: `pkgs/acme/to-delete/1.${n}/20260101120000?target=x86_64-linux` }),
    least: 'member',
    action: 'manage',
    done: 204,
    refused: 403,
  },
}

interface Caller {
  readonly authorization?: string
  /** The caller's role in `acme`; `nobody` has a wrong token. */
  readonly role: Role | 'stranger' | 'nobody'
  readonly scope?: Scope
}

function basic(token: string): string {
  return `Basic ${Buffer.from(`ci:${token}`).toString('base64')}`
}

async function callers(started: TestDepot): Promise<Record<string, Caller>> {
  const { depot } = started
  const actor = { client: 'tests', door: 'cli' } as const
  const issue = async (account: string, more: { scope?: Scope; expiresAt?: number } = {}) => {
    const token = generateToken()
    const { tokenId } = await depot.writer.submit({
      kind: 'issueToken',
      input: { account, hash: hashToken(token), label: 'test', ...more },
      actor,
    })
    return { token, tokenId }
  }
  const made: Record<string, Caller> = {
    'nobody signed in': { role: 'nobody' },
    'a wrong token': { authorization: 'Bearer wrong-token-of-nobody', role: 'nobody' },
    'a wrong password': { authorization: basic('wrong-token-of-nobody'), role: 'nobody' },
    'no scheme': { authorization: ADMIN_TOKEN, role: 'nobody' },
    'another scheme': { authorization: `Digest ${ADMIN_TOKEN}`, role: 'nobody' },
    'a stranger': { authorization: `Bearer ${await started.account('stranger')}`, role: 'stranger' },
    'the administrator of the depot': { authorization: `Bearer ${ADMIN_TOKEN}`, role: 'owner' },
  }
  for (const role of ROLES) {
    if (role !== 'owner') {
      await depot.writer.submit({ kind: 'addAccount', input: { name: role }, actor })
      await depot.writer.submit({ kind: 'setMember', input: { origin: 'acme', account: role, role }, actor })
    }
    const { token } = await issue(role)
    made[`a ${role}, Bearer`] = { authorization: `Bearer ${token}`, role }
    made[`a ${role}, Basic`] = { authorization: basic(token), role }
  }
  const expired = await issue('administrator', { expiresAt: START + 3_600_000 })
  const revoked = await issue('administrator')
  await depot.writer.submit({ kind: 'revokeToken', input: { tokenId: revoked.tokenId }, actor })
  made['an expired token'] = { authorization: `Bearer ${expired.token}`, role: 'nobody' }
  made['a revoked token'] = { authorization: `Bearer ${revoked.token}`, role: 'nobody' }
  const scopes: Readonly<Record<string, Scope>> = {
    'to reading': { actions: ['read'] },
    'to uploads': { actions: ['upload'] },
    'to promotions': { actions: ['promote'] },
    'to another origin': { origins: ['other'] },
    'to its origin': { origins: ['acme'] },
    'to another view': { views: ['union'] },
    'to stable': { views: ['stable'] },
  }
  for (const [how, scope] of Object.entries(scopes)) {
    made[`a token narrowed ${how}`] = {
      authorization: `Bearer ${(await issue('administrator', { scope })).token}`,
      role: 'administrator',
      scope,
    }
  }
  started.setClock(START + 7_200_000)
  return made
}

function statusFor(
  { action, least, done, refused, isJudgedByBody, ...route }: Route,
  { role, scope = {} }: Caller,
  name: string,
): number {
  if (role === 'nobody') return 401
  if (least !== undefined && ROLES.indexOf(role as Role) < ROLES.indexOf(least)) return refused
  // Builder does not have narrowed tokens.
  if (scope.actions !== undefined && !scope.actions.includes(action)) return 403
  if (
    scope.origins !== undefined &&
    (isJudgedByBody === true || (least !== undefined && !scope.origins.includes('acme')))
  )
    return 403
  const view = route.view ?? (name.endsWith('a channel') ? 'a new one' : undefined)
  if (view !== undefined && scope.views !== undefined && !scope.views.includes(view)) return 403
  return done
}

test('each role has its rights and no others', async (t) => {
  const started = await startDepot(t, { listen: true })
  await started.account('owner')
  await makeOrigin(started, 'acme', 2)
  const all = Object.entries(await callers(started))
  const toDemote = await makeReleases(
    started,
    `acme/${RELEASE}`,
    ...all.map((_, n) => `acme/in-base/1.${n}/20260101120000`),
  )
  await move(started, 'promote', 'base', toDemote)
  await makeReleases(started, ...all.map((_, n) => `acme/to-delete/1.${n}/20260101120000`))
  await ask(`${started.url}/v1/depot/origins/acme/keys`, { method: 'POST', headers: bearer() })
  let second = START + 7_200_000
  for (const [name, route] of Object.entries(ROUTES)) {
    await t.test(name, async (r) => {
      for (const [n, [who, caller]] of all.entries()) {
        const { path, body } = route.asks(n)
        const expected = statusFor(route, caller, name)
        const headers = caller.authorization === undefined ? {} : { authorization: caller.authorization }
        if (
          expected === route.done ||
          (route.isJudgedByBody === true && caller.scope?.origins !== undefined)
        ) {
          started.setClock((second += 1_000)) // a key pair is named after the second of its creation
          const answer = await ask(`${started.url}/v1/depot/${path}`, {
            method: route.method,
            headers,
            ...(body !== undefined && { body }),
          })
          r.equal(answer.status, expected, who)
          continue
        }
        // The request is refused before its body is read: the body is announced and not sent.
        const before = await traces(started.depot)
        const talk = converse(started.url)
        const lines = [
          `${route.method} /v1/depot/${path} HTTP/1.1`,
          'Host: depot',
          ...Object.entries(headers).map(([key, value]) => `${key}: ${value}`),
        ]
        await talk.say(
          `${lines.join('\r\n')}\r\n${route.method === 'GET' ? '' : 'Content-Length: 100\r\n'}Connection: close\r\n\r\n`,
        )
        r.match(await talk.toTheEnd(), new RegExp(`^HTTP/1\\.1 ${expected} `), who)
        r.same(await traces(started.depot), before)
      }
    })
  }
})

test('a change that ends after a right was lost is refused and leaves nothing', async (t) => {
  const started = await startDepot(t, { listen: true })
  const { depot } = started
  const actor = { client: 'tests', door: 'cli' } as const
  await makeOrigin(started)
  // Shorter files are not written before their last byte came.
  const files = [{ path: 'bin/large', content: Buffer.alloc(2 * 1024 * 1024, 'x') }]
  const hart = buildHart({ ident: 'acme/slow/1.0.0/20260101120000', files })
  const setDisabled = (isDisabled: boolean) =>
    depot.writer.submit({ kind: 'disableAccount', input: { account: 'publisher', isDisabled }, actor })
  const losses: Readonly<Record<string, readonly [number, (tokenId: number) => Promise<unknown>]>> = {
    'its token is revoked': [
      401,
      (tokenId) => depot.writer.submit({ kind: 'revokeToken', input: { tokenId }, actor }),
    ],
    'its token expires': [401, async () => started.setClock(START + 3_600_000)],
    'its token is narrowed': [
      403,
      (tokenId) =>
        depot.writer.submit({
          kind: 'narrowToken',
          input: { tokenId, scope: { actions: ['read'] } },
          actor,
        }),
    ],
    'its account is disabled': [401, () => setDisabled(true)],
    'its role is taken away': [
      403,
      () =>
        depot.writer.submit({
          kind: 'setMember',
          input: { origin: 'acme', account: 'publisher', role: null },
          actor,
        }),
    ],
  }
  await depot.writer.submit({ kind: 'addAccount', input: { name: 'publisher' }, actor })
  await depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'publisher', role: 'member' },
    actor,
  })
  for (const [how, [status, lose]] of Object.entries(losses)) {
    const token = generateToken()
    const { tokenId } = await depot.writer.submit({
      kind: 'issueToken',
      input: {
        account: 'publisher',
        hash: hashToken(token),
        label: 'test',
        expiresAt: START + (how.endsWith('expires') ? 3_600_000 : 7_200_000),
      },
      actor,
    })
    const before = await traces(depot)
    const talk = converse(started.url)
    await talk.say(
      `POST ${uploadPath(hart)} HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${hart.bytes.length}\r\nConnection: close\r\n\r\n`,
    )
    await talk.say(hart.bytes.subarray(0, -100))
    // Its bytes are in the spool, so it was accepted so far.
    while ((await traces(depot)).files.length === before.files.length) await new Promise(setImmediate)
    await lose(tokenId)
    const { rows } = await traces(depot)
    await talk.say(hart.bytes.subarray(-100))
    t.match(await talk.toTheEnd(), new RegExp(`^HTTP/1\\.1 ${status} `), how)
    t.strictSame(await traces(depot), { ...before, rows }, how)
    await setDisabled(false)
  }
})
