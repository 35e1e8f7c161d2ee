import { test } from 'tap'
import { hashToken } from '../../../../src/accounts/token.ts'
import { callApi } from '../../../support/call-api.ts'
import { ask, converse } from '../../../support/ask.ts'
import type { Conversation } from '../../../support/ask.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'
import { until } from '../../../support/until.ts'

const APP = { ident: 'acme/app/1.0.0/20260101000000', target: 'x86_64-linux' } as const
const SECRET = { ident: 'acme/secret/1.0.0/20260101000000', target: 'x86_64-linux' } as const
const actor = { client: 'tests', door: 'cli' } as const

async function startWithView(t: Parameters<typeof startDepot>[0], limits = {}): Promise<TestDepot> {
  const started = await startDepot(t, { listen: true, limits })
  await makeReleases(started, APP.ident, SECRET.ident)
  await setVisibility(started, SECRET.ident, 'private')
  await makeView(started, 'prod', 'promoted')
  return started
}

/** Opens a stream, and resolves when it has started. */
async function listen(
  { url }: TestDepot,
  query = '',
  headers: Record<string, string> = {},
): Promise<Conversation> {
  const talk = converse(url)
  const lines = Object.entries({ host: 'depot', accept: 'text/event-stream', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  await talk.say(`GET /api/v1/events${query} HTTP/1.1\r\n${lines.join('')}\r\n`)
  await talk.hear(/\nid: \d+\n\n/)
  return talk
}

const head = async (started: TestDepot) =>
  Number((await callApi(started, 'GET', '/api/v1/ledger')).body?.['sequence'])
const connections = async ({ app }: TestDepot) =>
  new Promise<number>((resolve) => void app.server.getConnections((_error, count) => resolve(count)))
const upTo = (id: number) => new RegExp(`^id: ${id}\\nevent: .*\\ndata: .*\\n\\n`, 'm')
const idsIn = (heard: string) => [...heard.matchAll(/^id: (\d+)\nevent: /gm)].map(([, id]) => Number(id))
const moveApp = async (started: TestDepot, act: 'promote' | 'demote') => move(started, act, 'prod', [APP])

test('a stream starts with new entries, and sends number, kind and JSON', async (t) => {
  const started = await startWithView(t)
  const from = await head(started)
  const talk = await listen(started)
  await moveApp(started, 'promote')
  await started.depot.writer.submit({ kind: 'addAccount', input: { name: 'new' }, actor })
  const heard = await talk.hear(/event: sealed\ndata: .*\n\n/)
  t.match(heard, /^HTTP\/1\.1 200 OK\r\n[^]*content-type: text\/event-stream\r\n/)
  t.match(heard, /cache-control: no-store/)
  t.match(heard, `retry: 2000\nid: ${from}\n\n`)
  t.notMatch(heard, /etag/i)
  t.strictSame(idsIn(heard), [from + 1, from + 2])
  const [, data = ''] = /event: promotion\ndata: (.*)\n\n/.exec(heard) ?? []
  const { body } = await callApi(started, 'GET', `/api/v1/events?after=${from}&limit=1`, { token: null })
  t.strictSame(JSON.parse(data), ((body ?? {})['events'] as unknown[])[0])
  talk.socket.destroy()
})

test('Last-Event-ID resumes a stream and takes precedence over after', async (t) => {
  const started = await startWithView(t)
  const from = await head(started)
  await moveApp(started, 'promote')
  await moveApp(started, 'demote')
  for (const [query, headers, first] of [
    [`?after=${from}`, {}, from + 1],
    ['?after=0', {}, 1],
    [`?after=0`, { 'last-event-id': String(from + 1) }, from + 2],
  ] as const) {
    const talk = await listen(started, query, headers)
    t.equal(idsIn(await talk.hear(upTo(from + 2)))[0], first)
    talk.socket.destroy()
  }
  const headers = { accept: 'text/event-stream', 'last-event-id': 'x' }
  t.match(await callApi(started, 'GET', '/api/v1/events', { headers }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/last-event-id' }] },
  })
  t.match(
    await callApi(started, 'GET', '/api/v1/events', { headers: { ...headers, 'last-event-id': '999999' } }),
    { status: 409, differences: '' },
  )
})

test('a stream from the start during commits has every entry once', async (t) => {
  const started = await startWithView(t)
  const COMMITS = 100
  const from = await head(started)
  for (let i = 0; i < COMMITS; i += 1) await moveApp(started, i % 2 === 0 ? 'promote' : 'demote')
  const talks = await Promise.all(
    ['?after=0', '?after=0&view=prod', '?after=0&view=nowhere'].map((query) => listen(started, query)),
  )
  for (let i = 0; i < COMMITS; i += 1) {
    await moveApp(started, i % 2 === 0 ? 'promote' : 'demote')
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  const last = from + 2 * COMMITS
  const [whole = '', ofView = ''] = await Promise.all(talks.slice(0, 2).map((talk) => talk.hear(upTo(last))))
  t.strictSame(
    idsIn(whole),
    Array.from({ length: last }, (_, i) => i + 1),
  )
  t.strictSame(
    idsIn(ofView).slice(1),
    Array.from({ length: 2 * COMMITS }, (_, i) => from + i + 1),
  )
  for (const talk of talks) talk.socket.destroy()
})

test('heartbeats keep a stream open and report how far a filter has read', async (t) => {
  const started = await startWithView(t, { unreadMs: 120 })
  const from = await head(started)
  const talk = await listen(started, '?view=nowhere')
  await talk.hear(/\n:\n\n[^]*\n:\n\n[^]*\n:\n\n[^]*\n:\n\n[^]*\n:\n\n/)
  await moveApp(started, 'promote')
  const heard = await talk.hear(new RegExp(`\\nid: ${from + 1}\\n\\n`))
  t.strictSame(idsIn(heard), [], 'an id and nothing else')
  talk.socket.destroy()
})

test('a stream has private entries only for members, and until they lose their role', async (t) => {
  const started = await startWithView(t)
  const friend = await started.account('friend')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'friend', role: 'readonly_member' },
    actor,
  })
  const [outsider, member] = await Promise.all([
    listen(started),
    listen(started, '', { authorization: `Bearer ${friend}` }),
  ])
  await move(started, 'promote', 'prod', [SECRET])
  t.match(await member.hear(/"revision":1.*\n\n/), /secret/)
  t.notMatch(await outsider.hear(/"revision":1.*\n\n/), /secret/)
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'friend', role: null },
    actor,
  })
  await move(started, 'demote', 'prod', [SECRET])
  const after = (await member.hear(/"revision":2.*\n\n/)).split('"revision":1').at(-1) ?? ''
  t.notMatch(after.slice(after.indexOf('\n')), /secret/)
  for (const talk of [outsider, member]) talk.socket.destroy()
})

test('a stream ends when its token is revoked or expires, or its account is disabled', async (t) => {
  const started = await startWithView(t, { unreadMs: 120 })
  const { writer, now } = started.depot
  await writer.submit({ kind: 'addAccount', input: { name: 'reader' }, actor })
  for (const how of ['revoked', 'expired', 'disabled'] as const) {
    const input = {
      account: 'reader',
      hash: hashToken(`token-${how}`),
      label: how,
      ...(how === 'expired' && { expiresAt: now() + 60_000 }),
    }
    const { tokenId } = await writer.submit({ kind: 'issueToken', input, actor })
    const authorization = `Bearer token-${how}`
    const talk = await listen(started, '?view=prod', { authorization })
    if (how === 'revoked') await writer.submit({ kind: 'revokeToken', input: { tokenId }, actor })
    else if (how === 'expired') started.setClock(now() + 120_000)
    else
      await writer.submit({
        kind: 'disableAccount',
        input: { account: 'reader', isDisabled: true },
        actor,
      })
    await talk.hear(/\r\n0\r\n\r\n$/)
    talk.socket.destroy()
    t.equal((await ask(`${started.url}/api/v1/events`, { headers: { authorization } })).status, 401)
  }
})

test('a stream of an expired token ends without a commit', async (t) => {
  const started = await startWithView(t)
  const { writer, now } = started.depot
  await writer.submit({ kind: 'addAccount', input: { name: 'reader' }, actor })
  const soon = now() + 50
  await writer.submit({
    kind: 'issueToken',
    input: { account: 'reader', hash: hashToken('expiring-token'), label: 'test', expiresAt: soon },
    actor,
  })
  const expiring = await listen(started, '?after=0', { authorization: 'Bearer expiring-token' })
  started.setClock(soon)
  await expiring.hear(/\r\n0\r\n\r\n$/)
  expiring.socket.destroy()
})

test('a client that stops reading gets no more events, delays no others, and is cut off', async (t) => {
  const started = await startWithView(t, { unreadMs: 300 })
  const reason = 'x'.repeat(200_000)
  const talk = await listen(started)
  talk.socket.pause()
  const other = await listen(started, '?kind=account-added', { authorization: `Bearer ${ADMIN_TOKEN}` })
  t.equal(await connections(started), 2)
  let commits = 0
  while ((await connections(started)) === 2) {
    await move(started, commits % 2 === 0 ? 'promote' : 'demote', 'prod', [APP], { reason })
    commits += 1
    if (commits > 40) await new Promise((next) => setTimeout(next, 20)) // more than the kernel buffers for a client that does not read
  }
  t.ok(commits > 10, 'not as long as the kernel took it')
  await started.depot.writer.submit({ kind: 'addAccount', input: { name: 'new' }, actor })
  await other.hear(/"account":"new"/)
  talk.socket.destroy()
  other.socket.destroy()
})

test('a stream ends when the client leaves or the depot stops', async (t) => {
  const started = await startWithView(t)
  const [leaving, staying] = await Promise.all([
    listen(started),
    listen(started, '', { authorization: `Bearer ${ADMIN_TOKEN}` }),
  ])
  leaving.socket.destroy()
  await until('one connection is open', async () => (await connections(started)) === 1)
  await moveApp(started, 'promote')
  await staying.hear(/event: promotion/)
  await started.close()
  t.match(await staying.toTheEnd(), /\r\n0\r\n\r\n$/)
})

test('HEAD of a stream returns its headers', async (t) => {
  const { url } = await startWithView(t)
  t.match(await ask(`${url}/api/v1/events`, { method: 'HEAD', headers: { accept: 'text/event-stream' } }), {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    text: '',
  })
})
