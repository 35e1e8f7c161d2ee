import tap, { test } from 'tap'
import { IdentityProvider } from '../../src/signin/identity-provider.ts'
import type { ProviderSettings } from '../../src/signin/identity-provider.ts'
import { ISSUER_NETWORKS } from '../../src/signin/issuer-request.ts'
import { MAX_GROUPS, readPerson } from '../../src/signin/person.ts'
import { AddressPolicy } from '../../src/text/address-ranges.ts'
import { CLIENT_ID, REDIRECT_URL, startIdentityProvider } from '../support/signin/identity-provider.ts'

const real = await startIdentityProvider(tap)
real.people.set('248289761001', { preferred_username: 'jane', groups: ['payments', 'ops'] })

const start = (settings: Partial<ProviderSettings> = {}, networks: readonly string[] = ['127.0.0.1']) =>
  new IdentityProvider(
    {
      issuer: real.issuer,
      clientId: CLIENT_ID,
      clientSecret: undefined,
      scopes: 'openid profile groups',
      groupsClaim: 'groups',
      ...settings,
    },
    {
      addressPolicy: new AddressPolicy(networks),
      lookup: (hostname, done) => done(new Error(`looked up ${hostname}`), []),
      setting: ISSUER_NETWORKS,
      timeoutMs: 5_000,
    },
    Date.now,
  )

const JANE = { issuer: real.issuer, subject: '248289761001', name: 'jane', groups: ['payments', 'ops'] }

test('a person signs in on another device', async (t) => {
  const provider = start()
  const { deviceCode, userCode, verificationUrl, completeUrl = '', ...times } = await provider.startDevice()
  t.match(userCode, /^\S+$/)
  t.ok(completeUrl.startsWith(verificationUrl))
  t.ok(times.expiresInS > 0 && times.intervalS > 0)
  t.equal(await provider.finishDevice(deviceCode), 'pending')
  await real.signIn(completeUrl, '248289761001')
  t.strictSame(await provider.finishDevice(deviceCode), JANE)
  await t.rejects(provider.finishDevice(deviceCode), { code: 'unauthenticated' }, 'a code is used once')
})

test('a person who says no is refused', async (t) => {
  const provider = start()
  const { deviceCode, completeUrl = '' } = await provider.startDevice()
  await real.refuse(completeUrl)
  await t.rejects(provider.finishDevice(deviceCode), { code: 'unauthenticated', message: /said no/ })
})

test('a person signs in with a browser, and only the depot that began it can end it', async (t) => {
  const provider = start()
  const { url, ...begun } = await provider.startCode(REDIRECT_URL)
  t.match(url.searchParams.get('code_challenge_method'), 'S256')
  const back = await real.signIn(url.href, '248289761001')
  t.strictSame(await provider.finishCode(back, begun), JANE)
  const other = await provider.startCode(REDIRECT_URL)
  const again = await real.signIn(other.url.href, '248289761001')
  await t.rejects(provider.finishCode(again, { ...other, state: 'of another' }))
  await t.rejects(provider.finishCode(again, { ...other, verifier: begun.verifier }), {
    code: 'unauthenticated',
  })
})

test('a name or groups that the provider does not tell are not known', async (t) => {
  real.people.set('2', {})
  const provider = start({ scopes: 'openid', groupsClaim: 'roles' })
  const { deviceCode, completeUrl = '' } = await provider.startDevice()
  await real.signIn(completeUrl, '2')
  t.strictSame(await provider.finishDevice(deviceCode), {
    issuer: real.issuer,
    subject: '2',
    name: undefined,
    groups: [],
  })
})

test('a single group can be told as a text', (t) => {
  const person = readPerson(real.issuer, { sub: '4', groups: 'payments' }, 'groups')
  t.strictSame(person.groups, ['payments'])
  t.end()
})

test('more groups than the depot keeps are refused', async (t) => {
  real.people.set('3', { groups: Array.from({ length: MAX_GROUPS + 1 }, (_, n) => `group-${n}`) })
  const provider = start()
  const { deviceCode, completeUrl = '' } = await provider.startDevice()
  await real.signIn(completeUrl, '3')
  await t.rejects(provider.finishDevice(deviceCode), { code: 'conflict' })
})

test('a provider that does not know the depot, or is away or inside, is told', async (t) => {
  await t.rejects(start({ clientId: 'other' }).startDevice(), {
    code: 'unauthenticated',
    message: /DEPOT_OIDC_CLIENT_ID/,
  })
  await t.rejects(start({}, []).startDevice(), {
    code: 'issuer_unavailable',
    message: /DEPOT_ISSUER_NETWORKS/,
  })
  await t.rejects(start({ issuer: 'http://127.0.0.1:1' }).startDevice(), { code: 'issuer_unavailable' })
  const provider = start()
  await provider.startDevice()
  await real.close()
  await t.rejects(provider.startDevice(), { code: 'issuer_unavailable', message: /nothing listens/ })
})
