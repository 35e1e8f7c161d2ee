import { once } from 'node:events'
import tap, { test } from 'tap'
import { ISSUER_NETWORKS, MAX_ISSUER_REPLY_BYTES, requestIssuer } from '../../src/signin/issuer-request.ts'
import type { IssuerRequestOptions } from '../../src/signin/issuer-request.ts'
import { FRESH_MS, IssuerKeys, MIN_INTERVAL_MS, USABLE_MS } from '../../src/signin/issuer-keys.ts'
import { verifyIdToken } from '../../src/signin/verify-id-token.ts'
import { AddressPolicy } from '../../src/text/address-ranges.ts'
import { startLyingDepot } from '../support/faults/lying-depot.ts'
import { AUDIENCE, makeSigningKey, startTokenIssuer } from '../support/signin/token-issuer.ts'
import { START } from '../support/start-depot.ts'

const OPTIONS: IssuerRequestOptions = {
  addressPolicy: new AddressPolicy(['127.0.0.0/8']),
  lookup: (hostname, done) => done(new Error(`looked up ${hostname}`), []),
  setting: ISSUER_NETWORKS,
  timeoutMs: 5_000,
}

/** Finds an inner address for every name. */
const lookupInside: IssuerRequestOptions['lookup'] = (_hostname, done) =>
  done(null, [{ address: '10.0.0.1', family: 4 }])

const issuer = await startTokenIssuer(tap)

/** Returns fresh memory of keys, and a clock. */
function start(options: Partial<IssuerRequestOptions> = {}) {
  let clock = START
  const now = () => (clock += 1)
  const keys = new IssuerKeys({ ...OPTIONS, ...options }, now)
  issuer.behave()
  issuer.asked.length = 0
  return {
    verify: (token: string) =>
      verifyIdToken(token, { issuer: issuer.url, audience: AUDIENCE }, { keys, now }),
    reads: () => issuer.asked.filter((path) => path === '/keys').length,
    pass: (ms: number) => void (clock += ms),
  }
}

test('keys are read once, and again when they are not fresh', async (t) => {
  const { verify, reads, pass } = start()
  const token = await issuer.sign({ exp: START / 1_000 + 86_400 })
  await Promise.all([verify(token), verify(token), verify(token)])
  t.equal(reads(), 1)
  await verify(token)
  t.equal(reads(), 1)
  pass(FRESH_MS)
  t.match(await verify(token), { issuer: issuer.url, subject: 'job', claims: { sub: 'job' } })
  t.equal(reads(), 2)
})

test('a token that is signed with a new key is accepted after the keys are read again', async (t) => {
  const { verify, reads, pass } = start()
  const old = await issuer.sign({})
  await verify(old)
  await issuer.rotate()
  const token = await issuer.sign({})
  await t.rejects(verify(token), { code: 'issuer_unavailable', retryAfterSeconds: 10 }, 'asked a moment ago')
  t.equal(reads(), 1)
  pass(MIN_INTERVAL_MS)
  await verify(token)
  t.equal(reads(), 2)
  await t.rejects(verify(old), { code: 'issuer_unavailable' })
  pass(MIN_INTERVAL_MS)
  await t.rejects(verify(old), { code: 'unauthenticated' }, 'the old key is withdrawn')
})

test('a key that was never published is refused, and cannot make the depot ask all the time', async (t) => {
  const { verify, reads } = start()
  const forged = await issuer.sign({}, await makeSigningKey('forged'))
  await t.rejects(verify(forged), { code: 'unauthenticated' })
  for (let n = 0; n < 5; n += 1) await t.rejects(verify(forged), { code: 'issuer_unavailable' })
  t.equal(reads(), 1)
})

test('a forged key with the id of a published one is refused', async (t) => {
  const { verify } = start()
  const { jwk } = await issuer.rotate()
  await t.rejects(verify(await issuer.sign({}, await makeSigningKey(String(jwk.kid)))), {
    code: 'unauthenticated',
    message: /signature/,
  })
})

test('an issuer that is away is served from memory for an hour', async (t) => {
  const { verify, pass } = start()
  const token = await issuer.sign({ exp: START / 1_000 + 86_400 })
  await verify(token)
  issuer.behave((answer) => answer.socket?.destroy())
  pass(USABLE_MS - 60_000)
  await verify(token)
  await issuer.rotate()
  await t.rejects(verify(await issuer.sign({ exp: START / 1_000 + 86_400 })), { code: 'issuer_unavailable' })
  pass(60_000)
  await t.rejects(verify(token), { code: 'issuer_unavailable', message: /cut/ })
  issuer.behave()
  await t.rejects(verify(token), { code: 'issuer_unavailable' }, 'asked a moment ago')
})

test('an issuer that answers wrongly is told from one that refuses the token', async (t) => {
  const documents: readonly (readonly [what: string, body: string, status?: number])[] = [
    ['HTML', '<html>'],
    ['no object', 'null'],
    ['another issuer', JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `${issuer.url}/keys` })],
    ['no keys', JSON.stringify({ issuer: issuer.url })],
    ['keys at another scheme', JSON.stringify({ issuer: issuer.url, jwks_uri: 'file:///etc/passwd' })],
    ['keys over http', JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://gitlab.example/keys' })],
    ['keys at an inner address', JSON.stringify({ issuer: issuer.url, jwks_uri: 'https://10.0.0.1/keys' })],
    ['a failure', '{}', 500],
    ['too much', 'x'.repeat(MAX_ISSUER_REPLY_BYTES + 1)],
  ]
  const token = await issuer.sign({})
  for (const [what, body, status = 200] of documents) {
    const { verify } = start()
    issuer.behave((answer) => answer.writeHead(status).end(body))
    await t.rejects(verify(token), { code: 'issuer_unavailable' }, what)
  }
})

test('redirects are not followed', async (t) => {
  const { verify } = start()
  issuer.behave((answer) => answer.writeHead(302, { location: `${issuer.url}/elsewhere` }).end())
  await t.rejects(verify(await issuer.sign({})), { code: 'issuer_unavailable', message: /302/ })
  t.strictSame(issuer.asked, ['/.well-known/openid-configuration'])
})

test('an issuer on an inner address is not asked, unless the setting allows it', async (t) => {
  const { verify } = start({ addressPolicy: new AddressPolicy([]) })
  await t.rejects(verify(await issuer.sign({})), {
    code: 'issuer_unavailable',
    message: /DEPOT_ISSUER_NETWORKS/,
  })
  t.strictSame(issuer.asked, [])
})

test('an issuer that never ends its answer is given up', async (t) => {
  const { verify } = start({ timeoutMs: 20 })
  let closed: Promise<unknown> | undefined // the time may be over before the request arrives
  issuer.behave((answer) => {
    answer.write('{')
    closed = once(answer, 'close')
  })
  await t.rejects(verify(await issuer.sign({})), { code: 'issuer_unavailable', message: /0.02 s/ })
  await closed
})

test('an issuer that switches the protocol is given up', async (t) => {
  const url = await startLyingDepot(t, ({ socket }) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n'),
  )
  await t.rejects(requestIssuer(new URL(url), { method: 'GET', headers: {} }, OPTIONS), /without an answer/)
})

test('a name that points to an inner address is not reached', async (t) => {
  await t.rejects(
    requestIssuer(
      new URL('https://ci.example/keys'),
      { method: 'GET', headers: {} },
      { ...OPTIONS, lookup: lookupInside },
    ),
    /ci.example \(10.0.0.1\) is not a public address/,
  )
})

test('times are checked, with a minute for clocks that differ', async (t) => {
  const { verify } = start()
  const now = START / 1_000
  await verify(await issuer.sign({ exp: now - 50 }))
  await verify(await issuer.sign({ nbf: now + 50 }))
  await t.rejects(verify(await issuer.sign({ exp: now - 61 })), {
    code: 'unauthenticated',
    message: /expired.*2026/,
  })
  await t.rejects(verify(await issuer.sign({ nbf: now + 90 })), {
    code: 'unauthenticated',
    message: /not valid yet/,
  })
  await t.rejects(verify(await issuer.sign({ exp: undefined })), { code: 'unauthenticated' })
})

test('a token is for this depot alone', async (t) => {
  const { verify } = start()
  await verify(await issuer.sign({ aud: [AUDIENCE] }))
  for (const aud of [
    'https://other.example',
    `${AUDIENCE}/`,
    [AUDIENCE, 'https://other.example'],
    [],
    undefined,
  ])
    await t.rejects(verify(await issuer.sign({ aud })), { code: 'unauthenticated' }, String(aud))
})

test('unsigned and symmetric tokens are refused', async (t) => {
  const { verify } = start()
  const [, payload = ''] = (await issuer.sign({})).split('.')
  for (const header of [
    { alg: 'none' },
    { alg: 'HS256', kid: 'key-0' },
    { alg: 'ES256', kid: 'key-0', crit: ['x'] },
  ]) {
    const encoded = Buffer.from(JSON.stringify(header)).toString('base64url')
    await t.rejects(verify(`${encoded}.${payload}.AAAA`), { code: 'unauthenticated' }, header.alg)
  }
  for (const text of ['', 'x', 'a.b.c', 'a'.repeat(10_000)])
    await t.rejects(verify(text), { code: 'unauthenticated' })
})
