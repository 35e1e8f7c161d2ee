import { test } from 'tap'
import { expectValidRule, matchesRule, parseRuleName } from '../../src/signin/exchange-rule.ts'
import type { ExchangeRule } from '../../src/signin/exchange-rule.ts'
import { parseIssuer } from '../../src/signin/issuer.ts'

const RULE: ExchangeRule = {
  name: 'app',
  provider: 'github',
  issuer: 'https://token.actions.githubusercontent.com',
  claims: { repository_id: ['77'], ref: ['refs/heads/main', 'refs/heads/next'] },
  account: 'ci',
  scope: { actions: ['upload'] },
  lifetimeMs: 60_000,
}

test('a rule matches whole values of all of its claims', async (t) => {
  const claims = { repository_id: '77', ref: 'refs/heads/next', other: 'x' }
  t.ok(matchesRule(RULE, claims))
  t.ok(matchesRule(RULE, { ...claims, repository_id: 77 }))
  for (const wrong of [
    { ref: 'refs/heads/main2' },
    { ref: 'refs/heads/mai' },
    { ref: 'REFS/HEADS/MAIN' },
    { ref: ['refs/heads/main'] },
    { ref: { toString: 'refs/heads/main' } },
    { ref: null },
    { ref: undefined },
    { repository_id: '770' },
    { repository_id: ' 77' },
    { repository_id: '' },
  ])
    t.notOk(matchesRule(RULE, { ...claims, ...wrong }), JSON.stringify(wrong))
  t.notOk(matchesRule({ ...RULE, claims: { constructor: ['x'] } }, {}), 'no inherited property is a claim')
})

test('a rule pins an immutable claim, names actions, and gives short-lived tokens', async (t) => {
  expectValidRule(RULE)
  for (const claims of [{}, { repository: ['acme/app'] }, { repository_id: [] }, { project_id: ['77'] }])
    t.throws(() => expectValidRule({ ...RULE, claims }), { code: 'invalid_request' }, JSON.stringify(claims))
  const { repository_id } = RULE.claims
  for (const name of ['iss', 'aud', 'exp'])
    t.throws(() =>
      expectValidRule({ ...RULE, claims: { repository_id, [name]: ['x'] } as ExchangeRule['claims'] }),
    )
  t.throws(() => expectValidRule({ ...RULE, scope: {} }), { code: 'invalid_request' })
  t.throws(() => expectValidRule({ ...RULE, scope: { actions: [] } }), { code: 'invalid_request' })
  for (const lifetimeMs of [0, 59_999, 24 * 3_600_000 + 1])
    t.throws(() => expectValidRule({ ...RULE, lifetimeMs }), { code: 'invalid_request' }, String(lifetimeMs))
})

test('each CI system has immutable claims of its own', async (t) => {
  expectValidRule({ ...RULE, provider: 'gitlab', claims: { project_id: ['1'] } })
  expectValidRule({ ...RULE, provider: 'buildkite', claims: { pipeline_id: ['1'] } })
  t.throws(() => expectValidRule({ ...RULE, provider: 'buildkite', claims: { pipeline_slug: ['app'] } }))
})

test('an issuer is https, or http on a loopback address', async (t) => {
  for (const url of ['https://gitlab.example/sub', 'http://127.0.0.1:8080', 'http://[::1]:80'])
    t.equal(parseIssuer(url), url)
  for (const url of [
    'http://gitlab.example',
    'http://localhost:80',
    'http://127.evil.example',
    'https://user@gitlab.example',
    'https://gitlab.example?x=1',
    'https://gitlab.example#x',
    'file:///etc/passwd',
    'gitlab.example',
    '',
    `https://${'a'.repeat(500)}.example`,
  ])
    t.throws(() => parseIssuer(url), { code: 'invalid_request' }, url)
})

test('a rule has a name that fits a URL', async (t) => {
  t.equal(parseRuleName('acme-app_2'), 'acme-app_2')
  for (const name of ['', '-x', 'A', 'a b', 'a/b', 'x'.repeat(65)])
    t.throws(() => parseRuleName(name), { code: 'invalid_request' }, name)
})
