import { createHash } from 'node:crypto'
import tap, { test } from 'tap'
import { hashToken } from '../../../../src/accounts/token.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { turns } from '../../../support/until.ts'

const ident = (name: string, version = '1.0.0', origin = 'acme') =>
  `${origin}/${name}/${version}/20260101000000`
const row = (text: string) => ({ ident: text, target: 'x86_64-linux' }) as const
const actor = { client: 'tests', door: 'cli' } as const

interface Entry {
  readonly sequence: number
  readonly digest: string
  readonly hash: string
  readonly at?: string
  readonly kind?: string
  readonly event?: Record<string, unknown>
  readonly salt?: string
  readonly text?: string
}

const started = await startDepot(tap)
const { depot } = started
await makeReleases(
  started,
  ident('app'),
  ident('app', '2.0.0'),
  ident('secret'),
  ident('web'),
  ident('tool', '1.0.0', 'umbrella'),
)
const friend = await started.account('friend')
const stranger = await started.account('stranger')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/friend', { body: { role: 'readonly_member' } })
await makeView(started, 'prod', 'promoted')
await makeView(started, 'train', 'highest')
await setVisibility(started, ident('secret'), 'private')
await setVisibility(started, ident('app', '2.0.0'), 'private')
await move(started, 'promote', 'prod', [row(ident('app')), row(ident('secret'))], {
  reason: 'with the secret',
})
await move(started, 'promote', 'prod', [row(ident('web'))], { reason: 'the web' })
await move(started, 'promote', 'prod', [row(ident('app', '2.0.0'))])
await move(started, 'promote', 'train', [row(ident('app'))])
await move(started, 'promote', 'train', [row(ident('app', '2.0.0'))])
await depot.writer.submit({ kind: 'addAccount', input: { name: 'quiet' }, actor })

const head = async () =>
  (await callApi(started, 'GET', '/api/v1/ledger')).body as { sequence: number; hash: string; at: string }
const entriesIn = (body: Record<string, unknown> | undefined) => (body ?? {})['events'] as Entry[]

/** Returns all pages from an entry on, of any size. */
async function readAll(query: string, token?: string | null): Promise<Entry[]> {
  const found: Entry[] = []
  for (let url: unknown = `/api/v1/events?${query}`; typeof url === 'string';) {
    const { body, headers, differences } = await callApi(
      started,
      'GET',
      url,
      token === undefined ? {} : { token },
    )
    tap.equal(differences, '')
    found.push(...entriesIn(body))
    url = body?.['next']
    tap.equal(headers['link'], typeof url === 'string' ? `<${url}>; rel="next"` : undefined)
  }
  return found
}

const affairs = async (token: string | null) =>
  new Set(
    (await readAll('kind=account-added,token-issued&kind=member-set', token)).map(
      ({ kind, event }) => `${kind} ${String(event?.['account'])}`,
    ),
  )
const promotionsOf = async (token: string | null, view: string) =>
  readAll(`kind=promotion&view=${view}`, token)

test('the ledger has no gaps, can be read in pages, and every reader can verify its chain', async (t) => {
  const last = await head()
  for (const token of [undefined, null, friend, stranger]) {
    for (const limit of [3, 1000]) {
      const entries = await readAll(`limit=${limit}`, token)
      t.strictSame(
        entries.map(({ sequence }) => sequence),
        Array.from({ length: last.sequence }, (_, i) => i + 1),
      )
      let hash = '0'.repeat(64)
      for (const entry of entries) {
        if (entry.text !== undefined) t.equal(sha256(`${entry.salt}${entry.text}`), entry.digest)
        hash = sha256(`${hash}\n${entry.sequence}\n${entry.digest}\n`)
        t.equal(entry.hash, hash)
      }
      t.equal(hash, last.hash)
    }
  }
})

test('an administrator sees all events, in the format of this API', async (t) => {
  const entries = await readAll('')
  t.ok(entries.every(({ text, event }) => text !== undefined && event !== undefined))
  t.match(
    entries.find(({ kind }) => kind === 'release-published'),
    {
      event: { ident: ident('app'), size_bytes: 1, is_verified: true },
      at: /Z$/,
      actor: null,
      client: 'tests',
    },
  )
  t.match(
    entries.find(({ kind }) => kind === 'token-issued'),
    { event: { expires_at: null } },
  )
  t.match(
    entries.find(({ kind }) => kind === 'member-set'),
    { actor: 'admin' },
  )
})

test('a redacted entry has only number, digest and hash', async (t) => {
  const last = await head()
  const [entry] = await readAll(`after=${last.sequence - 1}`, null)
  t.strictSame(Object.keys(entry ?? {}).toSorted(), ['digest', 'hash', 'sequence'])
})

test('accounts see their own entries, members those of their origins, and others neither', async (t) => {
  t.strictSame([...(await affairs(null))], [])
  t.strictSame([...(await affairs(stranger))], ['account-added stranger', 'token-issued stranger'])
  t.strictSame([...(await affairs(friend))].toSorted(), [
    'account-added friend',
    'member-set friend',
    'token-issued friend',
  ])
  const narrowed = await started.account('narrowed', { origins: ['acme'] })
  t.strictSame([...(await affairs(narrowed))], [], 'a narrowed token speaks for a part of the account')
})

test('no filter reveals a private release', async (t) => {
  const last = await head()
  const queries = [
    '',
    'format=text',
    'origin=acme',
    'view=prod,train,unstable',
    'kind=promotion',
    'kind=visibility-set,release-published',
    'wait=0',
    'origin=acme&view=prod&kind=promotion',
  ]
  for (const token of [null, stranger]) {
    for (const query of queries) {
      const { text, differences } = await callApi(started, 'GET', `/api/v1/events?limit=1000&${query}`, {
        token,
      })
      t.equal(differences, '')
      t.notMatch(text, /secret|2\.0\.0/, query)
    }
    t.equal((await readAll('kind=visibility-set', token)).length, 0)
    t.equal((await readAll('kind=release-published', token)).length, 3)
    t.equal((await readAll('kind=promotion&view=prod&origin=umbrella', token)).length, 0)
  }
  t.match((await callApi(started, 'GET', '/api/v1/events?limit=1000', { token: friend })).text, /secret/)
  t.equal(last.sequence, (await readAll('', null)).at(-1)?.sequence)
})

test('a promotion event matches the history, and its text is shown only to callers who see all of it', async (t) => {
  const [mixed, web, hidden] = await promotionsOf(null, 'prod')
  t.match(mixed, {
    event: { view: 'prod', revision: 1, joined: [row(ident('app'))], pointers: [{ to: ident('app') }] },
    text: undefined,
    salt: undefined,
  })
  t.notMatch(mixed, { event: { reason: String } })
  t.match(web, { event: { revision: 2, reason: 'the web' }, text: /web/, salt: /^[0-9a-f]{32}$/ })
  t.match(hidden, {
    event: { revision: 3, joined: [], pointers: [{ from: ident('app'), to: null }] },
    text: undefined,
  })
  const [seen, unseen] = await promotionsOf(null, 'train')
  t.match(seen, { event: { revision: 1, pointers: [{ to: ident('app') }] }, text: String })
  t.match(unseen, { event: { revision: 2, joined: [], pointers: [] }, text: undefined })
  for (const view of ['prod', 'train']) {
    const { body } = await callApi(started, 'GET', `/api/v1/views/${view}/history`, { token: null })
    const revisions = ((body ?? {})['revisions'] as Record<string, unknown>[]).toReversed()
    for (const [i, entry] of (await promotionsOf(null, view)).entries())
      t.match(entry, {
        at: revisions[i]?.['at'],
        event: {
          joined: revisions[i]?.['joined'],
          left: revisions[i]?.['left'],
          pointers: revisions[i]?.['pointers'],
        },
      })
  }
  t.ok((await promotionsOf(friend, 'prod')).every(({ text }) => text !== undefined))
})

test('present visibility applies to past events, and a republished ident is another release', async (t) => {
  const [made] = await makeReleases(started, ident('turn'))
  const after = (await head()).sequence - 2
  t.match((await readAll(`after=${after}&kind=release-published`, null))[0], {
    event: { ident: ident('turn') },
  })
  await setVisibility(started, ident('turn'), 'private')
  t.notMatch(JSON.stringify(await readAll(`after=${after}`, null)), /turn/)
  await depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: ident('turn'), target: 'x86_64-linux' },
    actor,
  })
  await depot.writer
    .submit({ kind: 'removeSettings', input: { origin: 'acme', name: 'turn' }, actor })
    .catch(() => undefined)
  await makeReleases(started, ident('turn'))
  await setVisibility(started, ident('turn'), 'public')
  t.equal(made?.ident, ident('turn'))
  t.strictSame(
    (await readAll(`after=${after}&kind=release-published,release-deleted`, null)).map(({ kind }) => kind),
    ['release-published'],
  )
  t.strictSame(
    (await readAll(`after=${after}&kind=release-published,release-deleted`, friend)).map(({ kind }) => kind),
    ['release-published', 'release-deleted', 'release-published'],
  )
})

test('proposals are shown to signed-in callers who see their releases, and gates to everyone', async (t) => {
  const from = (await head()).sequence
  await makeView(started, 'gated', 'promoted')
  for (const name of ['web', 'secret']) {
    const body = { releases: [row(ident(name))], reason: `the ${name}` }
    const proposed = await callApi(started, 'POST', '/api/v1/views/gated/proposals', { body })
    t.match(proposed, { status: 201 })
    const plan = String(proposed.body?.['plan'])
    const preview = { plan, name: `gated-${name}` }
    t.match(await callApi(started, 'POST', '/api/v1/views/gated/previews', { body: preview }), {
      status: 201,
    })
    const rejection = { body: { reason: `not ${name}` } }
    t.match(await callApi(started, 'POST', `/api/v1/plans/${plan}/reject`, rejection), { status: 200 })
  }
  await callApi(started, 'PUT', '/api/v1/views/gated/freeze', { body: { reason: 'holidays' } })
  const reasons = async (token?: string | null) =>
    (await readAll(`after=${from}&view=gated&kind=proposal-made,view-frozen`, token)).map(
      ({ event }) => event?.['reason'],
    )
  t.strictSame(await reasons(), ['the web', 'the secret', 'holidays'])
  t.strictSame(await reasons(friend), ['the web', 'the secret', 'holidays'])
  t.strictSame(await reasons(stranger), ['the web', 'holidays'])
  t.strictSame(await reasons(null), ['holidays'])
  const ended = async (token?: string | null) =>
    (await readAll(`after=${from}&kind=proposal-ended,preview-made`, token)).map(({ kind }) => kind)
  t.strictSame(await ended(friend), ['preview-made', 'proposal-ended', 'preview-made', 'proposal-ended'])
  t.strictSame(await ended(stranger), ['preview-made', 'proposal-ended'])
  t.strictSame(await ended(null), [])
})

test('the end of a freeze is a time, as in the requests', async (t) => {
  const from = (await head()).sequence
  await makeView(started, 'icy', 'promoted')
  const until = '2100-01-01T00:00:00.000Z'
  for (const url of ['/api/v1/views/icy/freeze', '/api/v1/freeze'])
    for (const body of [{ reason: 'holidays', until }, { reason: 'an audit' }])
      t.match(await callApi(started, 'PUT', url, { body }), { status: 200 })
  t.match(await callApi(started, 'DELETE', '/api/v1/freeze'), { status: 200 })
  const events = await readAll(`after=${from}&kind=view-frozen,views-frozen`)
  t.strictSame(
    events.map(({ event }) => event?.['until']),
    [until, null, until, null],
  )
})

test('filters find matching entries and report how far they have read', async (t) => {
  const last = (await head()).sequence
  t.match((await callApi(started, 'GET', '/api/v1/events?view=nowhere')).body, {
    events: [],
    through: last,
    next: null,
  })
  t.match((await callApi(started, 'GET', '/api/v1/events?origin=umbrella&limit=1')).body, {
    events: [{ kind: 'origin-created' }],
    next: /after=\d+/,
  })
  const whole = await readAll('origin=umbrella')
  t.strictSame(await readAll('origin=umbrella&limit=1'), whole)
  t.strictSame(
    [...new Set(whole.map(({ kind }) => kind))],
    ['origin-created', 'package-settings-set', 'release-published', 'promotion'],
  )
  t.strictSame(
    (await readAll('kind=view-created&view=prod&view=train')).map(({ event }) => event?.['view']),
    ['prod', 'train'],
  )
})

test('malformed parameters are refused by name', async (t) => {
  const names = Array.from({ length: 10_000 }, (_, i) => `view-${i}`)
  for (const query of [`view=${names.join(',')}`, names.map((name) => `view=${name}`).join('&')]) {
    t.match(await callApi(started, 'GET', `/api/v1/events?${query}`), {
      status: 400,
      differences: '',
      body: { errors: [{ pointer: '/view', detail: /100/ }] },
    })
  }
  const bad = {
    'after=-1': '/after',
    'after=x': '/after',
    'after=1e3': '/after',
    'limit=0': '/limit',
    'limit=1001': '/limit',
    'wait=-1': '/wait',
    'wait=301': '/wait',
    'wait=soon': '/wait',
    'wait=Infinity': '/wait',
    'kind=nonsense': '/kind',
    'view=': '/view',
    'origin=a,,b': '/origin',
    'colour=red': '/colour',
  }
  for (const [query, pointer] of Object.entries(bad))
    t.match(
      await callApi(started, 'GET', `/api/v1/events?${query}`),
      { status: 400, differences: '', body: { errors: [{ pointer }] } },
      query,
    )
  t.match(await callApi(started, 'GET', '/api/v1/events?after=999999999'), {
    status: 409,
    differences: '',
    body: { code: 'conflict' },
  })
})

test('events as text have columns', async (t) => {
  const { text, headers } = await callApi(
    started,
    'GET',
    '/api/v1/events?kind=promotion&view=prod&limit=2&format=text',
  )
  t.match(headers['content-type'], 'text/plain')
  t.match(
    text,
    /^SEQUENCE +AT +KIND +BY +WHAT\n\d+ +2026-01-01T00:00:00Z +promotion +- +view=prod revision=1 act=promote .*\bjoined=acme\/app\/1\.0\.0\/20260101000000,acme\/secret\/.*\n.*\breason=the web\b.*\n\nread through \d+\nmore: /,
  )
  t.match(
    (await callApi(started, 'GET', '/api/v1/ledger?format=text')).text,
    /^SEQUENCE +AT +HASH\n\d+ +2026/,
  )
})

// Waiting

const after = async () => (await head()).sequence

test('a waiting request returns the next entry, or nothing at its end', async (t) => {
  const from = await after()
  const waiting = callApi(started, 'GET', `/api/v1/events?after=${from}&wait=60`, { token: null })
  await untilHeld()
  await move(started, 'promote', 'prod', [row(ident('app'))])
  t.match(await waiting, {
    status: 200,
    differences: '',
    body: { events: [{ sequence: from + 1, kind: 'promotion' }], through: from + 1, next: null },
  })
  t.match(await callApi(started, 'GET', `/api/v1/events?after=${from + 1}&wait=0.01`), {
    status: 200,
    body: { events: [], through: from + 1, next: null },
  })
  t.match(
    await callApi(started, 'GET', `/api/v1/events?after=${from}&wait=60`),
    { body: { events: [{ sequence: from + 1 }] } },
    'existing entries are returned at once',
  )
})

test('a filtered wait wakes for visible matches, and reports how far it has read', async (t) => {
  const from = await after()
  const waiting = callApi(started, 'GET', `/api/v1/events?after=${from}&view=prod&origin=acme&wait=60`, {
    token: null,
  })
  const briefly = callApi(started, 'GET', `/api/v1/events?after=${from}&view=nowhere&wait=0.3`, {
    token: null,
  })
  await untilHeld()
  await move(started, 'promote', 'union', [row(ident('app'))])
  await move(started, 'demote', 'prod', [row(ident('secret'))]) // invisible to this caller
  await untilHeld()
  await move(started, 'demote', 'prod', [row(ident('web'))])
  t.match(await waiting, {
    body: {
      events: [{ sequence: from + 3, event: { view: 'prod', left: [row(ident('web'))] } }],
      through: from + 3,
    },
  })
  t.notMatch((await waiting).text, /secret/)
  t.match(await briefly, { body: { events: [], through: from + 3 } })
  await move(started, 'promote', 'prod', [row(ident('secret')), row(ident('web'))])
})

test('readers that race with commits get every entry once', async (t) => {
  const from = await after()
  const ROUNDS = 40
  const follow = async (query: string, token: string | null) => {
    const heard: number[] = []
    for (let place = from; place < from + ROUNDS;) {
      const { body } = await callApi(started, 'GET', `/api/v1/events?after=${place}&wait=60&${query}`, {
        token,
      })
      heard.push(...entriesIn(body).map(({ sequence }) => sequence))
      place = Number(body?.['through'])
    }
    return heard
  }
  const readers = [
    follow('', null),
    follow('limit=1', null),
    follow('', friend),
    follow('view=prod', null),
    follow('view=prod&limit=2', friend),
  ]
  for (let i = 0; i < ROUNDS; i += 1) {
    await move(started, i % 2 === 0 ? 'demote' : 'promote', 'prod', [row(ident('web'))])
    if (i % 3 === 0) await new Promise(setImmediate)
  }
  for (const heard of await Promise.all(readers))
    t.strictSame(
      heard,
      Array.from({ length: ROUNDS }, (_, i) => from + i + 1),
    )
})

test('revoking a token ends its wait, and losing a role applies at once', async (t) => {
  const leaver = await started.account('leaver')
  await callApi(started, 'PUT', '/api/v1/origins/acme/members/leaver', { body: { role: 'readonly_member' } })
  const from = await after()
  const seeing = callApi(
    started,
    'GET',
    `/api/v1/events?after=${from}&view=prod&origin=acme&kind=promotion&wait=60`,
    { token: leaver },
  )
  await untilHeld()
  await depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'leaver', role: null },
    actor,
  })
  await move(started, 'demote', 'prod', [row(ident('secret'))])
  await move(started, 'demote', 'prod', [row(ident('web'))])
  t.notMatch((await seeing).text, /secret/)

  const waiting = callApi(started, 'GET', `/api/v1/events?after=${await after()}&view=prod&wait=60`, {
    token: leaver,
  })
  await untilHeld()
  const [token] = await depot.db
    .selectFrom('tokens')
    .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
    .select('tokens.id')
    .where('accounts.name', '=', 'leaver')
    .execute()
  await depot.writer.submit({ kind: 'revokeToken', input: { tokenId: token?.id ?? 0 }, actor })
  t.match(await waiting, { status: 401, differences: '', body: { code: 'unauthenticated' } })
})

test('a token that is revoked or expires ends its wait for a view', async (t) => {
  await depot.writer.submit({ kind: 'addAccount', input: { name: 'waiter' }, actor })
  await move(started, 'promote', 'prod', [row(ident('web'))])
  await depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'waiter', role: 'readonly_member' },
    actor,
  })
  for (const [url, how] of [
    ['/api/v1/views/prod', 'revoked'],
    ['/api/v1/views/prod/latest/acme/web', 'revoked'],
    ['/api/v1/views/prod', 'expired'],
    [`/api/v1/events?view=prod&after=${await after()}`, 'expired'],
  ] as const) {
    const token = `${how} token for ${url}`.replaceAll(/[^a-z]/g, '-')
    const soon = depot.now() + 700 // the wait ends then, or a little later; the clock must be set before
    const { tokenId } = await depot.writer.submit({
      kind: 'issueToken',
      input: {
        account: 'waiter',
        hash: hashToken(token),
        label: how,
        ...(how === 'expired' && { expiresAt: soon }),
      },
      actor,
    })
    const { headers } = await callApi(started, 'GET', url, { token })
    const waiting = callApi(started, 'GET', `${url}${url.includes('?') ? '&' : '?'}wait=60`, {
      token,
      ...(typeof headers['etag'] === 'string' && { headers: { 'if-none-match': headers['etag'] } }),
    })
    await untilHeld()
    if (how === 'revoked') await depot.writer.submit({ kind: 'revokeToken', input: { tokenId }, actor })
    else started.setClock(soon)
    t.match(await waiting, { status: 401, differences: '' }, `${url}, ${how}`)
  }
  await move(started, 'demote', 'prod', [row(ident('web'))])
})

test('the clock of the depot may jump during a wait', async (t) => {
  const from = await after()
  const waiting = callApi(started, 'GET', `/api/v1/events?after=${from}&wait=60`)
  await untilHeld()
  started.setClock(Date.parse('2020-01-01T00:00:00Z'))
  await move(started, 'promote', 'prod', [row(ident('web'))])
  started.setClock(Date.parse('2036-01-01T00:00:00Z'))
  const { body } = await waiting
  t.match(body, { events: [{ sequence: from + 1, at: /^2026/ }] })
})

test('a stopping depot answers waiting requests', async (t) => {
  const stopping = await startDepot(t)
  const from = (await callApi(stopping, 'GET', '/api/v1/ledger')).body?.['sequence']
  const waiting = callApi(stopping, 'GET', `/api/v1/events?after=${String(from)}&wait=60`)
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate)
  await stopping.close()
  t.match(await waiting, {
    status: 200,
    headers: { connection: 'close' },
    body: { events: [], through: from },
  })
})

/** Resolves when the request has been handled and waits. */
async function untilHeld(): Promise<void> {
  await turns(20)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
