import tap, { test } from 'tap'
import type { Scope } from '../../../../src/access/access.ts'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const [APP1, APP2, WEB1, OTHER] = [
  'acme/app/1.0.0/20260101000000',
  'acme/app/2.0.0/20260101000000',
  'acme/web/1.0.0/20260101000000',
  'umbrella/app/1.0.0/20260101000000',
]
const WINDOWS = 'acme/tool/1.0.0/20260101000000'
const BOTH = 'acme/both/1.0.0/20260101000000'
const PRIVATE = 'acme/secret/1.0.0/20260101000000'

const started = await startDepot(tap)
await makeReleases(
  started,
  APP1,
  APP2,
  WEB1,
  OTHER,
  PRIVATE,
  `${WINDOWS} for x86_64-windows`,
  `${BOTH} for aarch64-linux`,
  `${BOTH} for x86_64-windows`,
)
await setVisibility(started, PRIVATE, 'private')

/** Creates an account that may promote in acme, with a token that may be narrowed. */
async function maintainer(name: string, scope?: Scope): Promise<string> {
  const token = await started.account(name, scope)
  await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role: 'maintainer' } })
  return token
}
const ci = await maintainer('ci')
const member = await started.account('member')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/member', { body: { role: 'member' } })

let views = 0
async function freshView(): Promise<string> {
  views += 1
  await makeView(started, `view-${views}`, 'promoted')
  return `/api/v1/views/view-${views}`
}

const of = (...idents: string[]) => ({ releases: idents.map((ident) => ({ ident })) })

test('a set is promoted in one revision, and the answer has the effect', async (t) => {
  const view = await freshView()
  const answer = await callApi(started, 'POST', `${view}/promotions`, {
    token: ci,
    body: { ...of(APP1, WEB1), reason: 'train 7' },
  })
  t.equal(answer.differences, '')
  t.match(answer, {
    status: 200,
    headers: { etag: '"1"' },
    body: {
      revision: 1,
      changed: true,
      releases: [
        { ident: APP1, target: 'x86_64-linux', change: 'added', from: null },
        { ident: WEB1, change: 'added' },
      ],
      pointers: [
        { package: 'acme/app', from: null, to: APP1 },
        { package: 'acme/web', to: WEB1 },
      ],
    },
  })
  t.match(await callApi(started, 'GET', `${view}/revisions/1`), {
    differences: '',
    body: { act: 'promote', actor: 'ci', reason: 'train 7', joined: [{ ident: APP1 }, { ident: WEB1 }] },
  })
})

test('a demotion returns what left and the new latest', async (t) => {
  const view = await freshView()
  for (const ident of [APP1, APP2])
    await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(ident) })
  const answer = await callApi(started, 'POST', `${view}/demotions`, { token: ci, body: of(APP2) })
  t.match(answer, {
    status: 200,
    differences: '',
    body: {
      revision: 3,
      releases: [{ ident: APP2, change: 'removed' }],
      pointers: [{ from: APP2, to: APP1 }],
    },
  })
  t.match(await callApi(started, 'POST', `${view}/demotions`, { token: ci, body: of(APP2) }), {
    status: 409,
    differences: '',
    body: { code: 'not_member' },
  })
})

test('a change without effect returns the present revision', async (t) => {
  const view = await freshView()
  await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1) })
  t.match(await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1) }), {
    status: 200,
    differences: '',
    body: { revision: 1, changed: false, releases: [{ change: 'unchanged' }], pointers: [] },
  })
})

test('a stale expectation is refused, in the body and as If-Match', async (t) => {
  const view = await freshView()
  await callApi(started, 'POST', `${view}/promotions`, {
    token: ci,
    body: { ...of(APP1), expect_revision: 0 },
  })
  const stale = { status: 412, differences: '', body: { code: 'stale_revision' } }
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: { ...of(APP2), expect_revision: 0 },
    }),
    stale,
  )
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: of(APP2),
      headers: { 'if-match': '"0"' },
    }),
    stale,
  )
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: of(APP2),
      headers: { 'if-match': '"1"' },
    }),
    { status: 200, body: { revision: 2 } },
  )
})

test('the entity tag of a view is valid as If-Match for every caller and format', async (t) => {
  const view = await freshView()
  for (const [read, release] of [
    [view, APP1],
    [`${view}?format=text`, APP2],
  ] as const) {
    const { headers } = await callApi(started, 'GET', read, { token: ci })
    const tag = { 'if-match': String(headers['etag']) }
    t.match(
      await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(release), headers: tag }),
      { status: 200 },
    )
    t.match(
      await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(release), headers: tag }),
      { status: 412 },
    )
  }
})

test('a malformed If-Match, or one that contradicts expect_revision, is refused', async (t) => {
  const view = await freshView()
  for (const tag of ['"abc"', 'W/1', '1'])
    t.match(
      await callApi(started, 'POST', `${view}/promotions`, {
        token: ci,
        body: of(APP1),
        headers: { 'if-match': tag },
      }),
      { status: 400, differences: '' },
      tag,
    )
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: { ...of(APP1), expect_revision: 0 },
      headers: { 'if-match': '"1"' },
    }),
    { status: 400 },
  )
})

test('a retry with its key gets the first answer and makes no second revision', async (t) => {
  const view = await freshView()
  const retry = {
    token: ci,
    body: { ...of(APP1), expect_revision: 0 },
    headers: { 'idempotency-key': 'build-17' },
  }
  const [first, second] = await Promise.all([
    callApi(started, 'POST', `${view}/promotions`, retry),
    callApi(started, 'POST', `${view}/promotions`, retry),
  ])
  t.equal(first.status, 200)
  t.equal(second.text, first.text)
  await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP2) })
  t.equal((await callApi(started, 'POST', `${view}/promotions`, retry)).text, first.text)
  t.match(await callApi(started, 'GET', view), { body: { revision: 2 } })
})

test('a key that was used with another body, act or view is refused', async (t) => {
  const view = await freshView()
  const headers = { 'idempotency-key': 'build-18' }
  await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1), headers })
  const mismatch = { status: 422, differences: '', body: { code: 'idempotency_mismatch' } }
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP2), headers }),
    mismatch,
  )
  t.match(
    await callApi(started, 'POST', `${view}/demotions`, { token: ci, body: of(APP1), headers }),
    mismatch,
  )
  t.match(
    await callApi(started, 'POST', `${await freshView()}/promotions`, { token: ci, body: of(APP1), headers }),
    mismatch,
  )
  t.match(
    await callApi(started, 'POST', `${await freshView()}/promotions`, { body: of(APP1), headers }),
    { status: 200 },
    "another account's key is another key",
  )
})

test('a key covers the body, but not its order and spacing', async (t) => {
  const view = await freshView()
  const headers = { 'idempotency-key': 'build-19' }
  await callApi(started, 'POST', `${view}/promotions`, {
    token: ci,
    body: `{"reason":"r","releases":[{"target":"x86_64-linux","ident":"${APP1}"}]}`,
    headers,
  })
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: { releases: [{ ident: APP1, target: 'x86_64-linux' }], reason: 'r' },
      headers,
    }),
    { status: 200, body: { changed: true } },
  )
})

test('a release without a target means x86_64-linux, or the only one', async (t) => {
  const view = await freshView()
  t.match(await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1, WINDOWS) }), {
    status: 200,
    body: { releases: [{ target: 'x86_64-linux' }, { target: 'x86_64-windows' }] },
  })
  t.match(await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1, BOTH) }), {
    status: 400,
    differences: '',
    body: {
      errors: [{ pointer: '/releases/1/target', detail: mentions('aarch64-linux', 'x86_64-windows') }],
    },
  })
})

test('a release is named by its ident alone, with the target of the body or the default', async (t) => {
  const view = await freshView()
  const promote = (body: object) => callApi(started, 'POST', `${view}/promotions`, { body })
  t.match(await promote({ releases: [APP1, { ident: WEB1 }] }), {
    status: 200,
    body: {
      releases: [
        { ident: APP1, target: 'x86_64-linux' },
        { ident: WEB1, target: 'x86_64-linux' },
      ],
    },
  })
  t.match(
    await promote({ releases: [BOTH, { ident: BOTH, target: 'aarch64-linux' }], target: 'x86_64-windows' }),
    {
      status: 200,
      body: {
        releases: [
          { ident: BOTH, target: 'x86_64-windows' },
          { ident: BOTH, target: 'aarch64-linux' },
        ],
      },
    },
  )
  t.match(await promote({ releases: ['acme/app', APP1, 5, { ident: 'app' }, { target: 'mips' }] }), {
    status: 400,
    body: {
      errors: [
        { pointer: '/releases/0', detail: mentions('acme/app') },
        { pointer: '/releases/2' },
        { pointer: '/releases/3/ident' },
        { pointer: '/releases/4/ident' },
        { pointer: '/releases/4/target' },
      ],
    },
  })
  t.match(await promote({ from: { view: 'unstable' }, target: 'x86_64-windows' }), {
    status: 400,
    body: { errors: [{ pointer: '/target' }] },
  })
  const plan = await callApi(started, 'POST', `${view}/plans`, { body: { act: 'demote', releases: [APP1] } })
  t.match(plan, { status: 201, body: { releases: [{ ident: APP1, change: 'removed' }] } })
  t.match(await callApi(started, 'POST', `${view}/demotions`, { body: { releases: [APP1] } }), {
    status: 200,
  })
})

test('one error names all faults of a body', async (t) => {
  const view = await freshView()
  const body = {
    releases: [{ ident: 'acme/app' }, { ident: APP1, target: 'pdp-11' }, { ident: APP1, version: 1 }],
    because: 'x',
  }
  t.match(await callApi(started, 'POST', `${view}/promotions`, { token: ci, body }), {
    status: 400,
    differences: '',
    body: {
      errors: [
        { pointer: '/releases/0/ident' },
        { pointer: '/releases/1/target' },
        { pointer: '/releases/2/version' },
        { pointer: '/because' },
      ],
    },
  })
  t.match(await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: { releases: [] } }), {
    status: 400,
    body: { errors: [{ pointer: '/releases' }] },
  })
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: of(APP1),
      headers: { 'idempotency-key': 'with space' },
    }),
    { status: 400 },
  )
})

test('a body that is too large gets 413', async (t) => {
  const body = { ...of(APP1), reason: 'x'.repeat(2 * 1024 * 1024) }
  for (const [url, room] of [
    [`${await freshView()}/rollbacks`, false],
    ['/api/v1/plans/none/apply', false],
    [`${await freshView()}/demotions`, true],
  ] as const) {
    const answer = await callApi(started, 'POST', url, { token: ci, body })
    t.match(answer, { status: room ? 400 : 413, body: { code: room ? 'invalid_request' : 'too_large' } }, url)
    t.ok(answer.text.length < 10_000)
  }
})

test('a body with too many fields or levels is refused before it is parsed, with a short answer', async (t) => {
  const view = await freshView()
  const fields = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`field-${index}`, index]))
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const body of [
    fields,
    { releases: Array.from({ length: 200_000 }, () => 0) },
    `{"releases":${deep}}`,
    { ['k'.repeat(100_000)]: 1 },
  ]) {
    const answer = await callApi(started, 'POST', `${view}/promotions`, { token: ci, body })
    t.match(answer, { status: 413, body: { code: 'too_large' } })
    t.ok(answer.text.length < 1_000, answer.text.slice(0, 1_000))
  }
})

test('some tens of faults are named and the others counted, in the answer and in the log', async (t) => {
  const releases = Array.from({ length: 5_000 }, (_, index) => ({
    ident: `${'x'.repeat(200)}-${index}`,
    ['y'.repeat(200)]: 1,
  }))
  const answer = await callApi(started, 'POST', `${await freshView()}/promotions`, {
    token: ci,
    body: { releases },
  })
  t.match(answer, {
    status: 400,
    differences: '',
    body: { code: 'invalid_request', detail: mentions('9950') },
  })
  t.match(answer.body?.['errors'], { length: 50 })
  t.ok(answer.text.length < 50_000, `${answer.text.length} characters`)
  const line = started.logged.find((logged) => logged['request'] === answer.headers['x-request-id'])
  t.ok(JSON.stringify(line).length < 3_000, `${JSON.stringify(line).length} characters`)
})

test('callers without the right get 403 before the body is read', async (t) => {
  const view = await freshView()
  const elsewhere = await maintainer('not-here', { views: ['delivered'] })
  const reader = await maintainer('only-reads', { actions: ['read'] })
  const named = await freshView()
  await callApi(started, 'PUT', `${named}/gates`, { body: { promoters: ['member'] } })
  for (const what of ['promotions', 'demotions', 'rollbacks', 'reverts', 'plans', 'proposals', 'previews']) {
    // If the body were read, it would be refused as malformed JSON.
    const ask = async (url: string, token: string | null) =>
      callApi(started, 'POST', `${url}/${what}`, { token, body: '{' })
    t.match(await ask(view, null), { status: 401 }, what)
    for (const token of [elsewhere, reader, member]) t.match(await ask(view, token), { status: 403 }, what)
    t.match(await ask(named, ci), { status: 403 }, `${what}, which names its promoters`)
    t.match(await ask('/api/v1/views/nowhere', ci), { status: 404 }, what)
    t.match(await ask(view, ci), { status: 400 }, `${what} by who may`)
  }
})

test('one error names all absent releases, and nothing changes', async (t) => {
  const view = await freshView()
  t.match(
    await callApi(started, 'POST', `${view}/promotions`, {
      token: ci,
      body: of(APP1, 'acme/app/7/1', 'acme/app/8/1'),
    }),
    {
      status: 404,
      differences: '',
      body: { code: 'not_found', errors: [{ pointer: '/releases/1' }, { pointer: '/releases/2' }] },
    },
  )
  t.match(await callApi(started, 'GET', view), { body: { revision: 0 } })
})

test('maintainers of every listed origin and administrators of the depot can promote', async (t) => {
  const view = await freshView()
  const ask = async (token: string | null, ...idents: string[]) =>
    (await callApi(started, 'POST', `${view}/promotions`, { token, body: of(...idents) })).status
  t.equal(await ask(null, APP1), 401)
  t.equal(await ask(member, APP1), 403)
  t.equal(await ask(ci, APP1, OTHER), 403)
  t.match(await callApi(started, 'GET', view), { body: { revision: 0 } })
  t.equal(await ask(ci, APP1), 200)
  t.equal((await callApi(started, 'POST', `${view}/promotions`, { body: of(APP2, OTHER) })).status, 200)
})

test('a narrowed token can promote only within its scope', async (t) => {
  const view = await freshView()
  const elsewhere = await maintainer('elsewhere', { views: ['delivered'] })
  const reader = await maintainer('reader', { actions: ['read'] })
  const stranger = await maintainer('stranger', { origins: ['umbrella'] })
  for (const token of [elsewhere, reader, stranger])
    t.match(await callApi(started, 'POST', `${view}/promotions`, { token, body: of(APP1) }), {
      status: 403,
      differences: '',
    })
  t.match(
    await callApi(started, 'POST', '/api/v1/views/delivered/promotions', {
      token: elsewhere,
      body: of(APP1),
    }),
    { status: 200 },
  )
})

test('a token that may only promote also finds private releases of its origin', async (t) => {
  const pipeline = await maintainer('pipeline', { actions: ['promote'] })
  t.match(
    await callApi(started, 'POST', `${await freshView()}/promotions`, { token: pipeline, body: of(PRIVATE) }),
    { status: 200, differences: '' },
  )
})

test('an absent view and unstable refuse promotions', async (t) => {
  t.match(await callApi(started, 'POST', '/api/v1/views/nowhere/promotions', { token: ci, body: of(APP1) }), {
    status: 404,
    differences: '',
  })
  t.match(await callApi(started, 'POST', '/api/v1/views/unstable/demotions', { token: ci, body: of(APP1) }), {
    status: 409,
    differences: '',
    body: { code: 'refused' },
  })
})

test('the log has each promotion with author and refusal, and never a token', async (t) => {
  const view = await freshView()
  const done = await callApi(started, 'POST', `${view}/promotions`, { token: ci, body: of(APP1, WEB1) })
  const refused = await callApi(started, 'POST', `${view}/promotions`, { token: member, body: of(APP2) })
  const line = (answer: typeof done) =>
    started.logged.find((logged) => logged['request'] === answer.headers['x-request-id'])
  t.match(line(done), {
    msg: 'request',
    account: 'ci',
    status: 200,
    path: `${view}/promotions`,
    subject: `promote ${APP1} and 1 more, ${view.slice('/api/v1/views/'.length)}`,
  })
  t.match(line(refused), {
    account: 'member',
    status: 403,
    refusal: /^forbidden: member is not a maintainer of any origin/,
  })
  const log = JSON.stringify(started.logged)
  for (const token of [ci, member]) t.notOk(log.includes(token))
})
