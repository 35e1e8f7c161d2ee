import { test } from 'tap'
import { ask } from '../support/ask.ts'
import type { Answer } from '../support/ask.ts'
import { bearer } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'

const POLL = '/v1/depot/views/acceptance/pkgs/acme/app/latest'
const WRONG = [
  { authorization: 'Bearer wrong' },
  { authorization: `Basic ${Buffer.from('x:wrong').toString('base64')}` },
  { authorization: 'wrong' },
]

const from = (address: string) => ({ ...WRONG[0], 'x-forwarded-for': address })

/** Sends each request on a connection of its own, one after another. */
async function statusesOf(url: string, requests: readonly Record<string, string>[]): Promise<number[]> {
  const statuses: number[] = []
  for (const headers of requests) statuses.push((await ask(url, { headers })).status)
  return statuses
}

test('wrong tokens are limited for each address, and anonymous requests and valid tokens are not', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { wrongTokensPerMinute: 3 } })
  const { url } = started
  const token = await started.account('late')
  t.strictSame(await statusesOf(url + POLL, WRONG), [401, 401, 401])
  let last: Answer | undefined
  for (const path of [POLL, '/api/v1/whoami', '/v1/depot/origins', '/nowhere', '/metrics']) {
    last = await ask(url + path, { headers: { ...WRONG[0], 'user-agent': 'hab/2.0' } })
    t.match({ path, ...last }, { status: 429, headers: { 'retry-after': '20' } })
  }
  t.match(last?.text, /too many requests with a wrong token came from 127\.0\.0\.1: try again in 20 seconds/)
  t.strictSame(await statusesOf(url + POLL, [{}, bearer()]), [404, 404])
  t.strictSame(
    await statusesOf(`${url}/api/v1/whoami`, [{}, bearer(), bearer(token)]),
    [401, 200, 200],
    'a token that was never seen before is no guess',
  )
  const { text } = await ask(`${url}/metrics`)
  t.match(text, 'hart_depot_wrong_tokens_total{answer="refused"} 3\n')
  t.match(text, 'hart_depot_wrong_tokens_total{answer="limited"} 5\n')
})

test('only a trusted proxy can forward the address that is limited', async (t) => {
  const limits = { wrongTokensPerMinute: 1 }
  const behind = await startDepot(t, {
    listen: true,
    limits,
    environment: { DEPOT_TRUST_PROXY: '127.0.0.1' },
  })
  const sent = [
    from('203.0.113.1'),
    from('203.0.113.1'),
    from('203.0.113.2'),
    from('203.0.113.9, 203.0.113.1'),
    from('2001:db8::1'),
    from('2001:db8::ffff'),
  ]
  t.strictSame(await statusesOf(behind.url + POLL, sent), [401, 429, 401, 429, 401, 429])
  const open = await startDepot(t, { listen: true, limits })
  t.strictSame(
    await statusesOf(open.url + POLL, sent),
    [401, 429, 429, 429, 429, 429],
    'no other peer is trusted',
  )
})
