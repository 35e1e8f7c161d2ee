import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { startReceiver } from '../../../support/webhooks/receiver.ts'
import { makeView } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { until } from '../../../support/until.ts'

const receiver = await startReceiver(tap)
const ADDRESSES: Readonly<Record<string, string>> = {
  'inside.example': '10.0.0.5',
  'metadata.example': '169.254.169.254',
  'mapped.example': '::ffff:10.0.0.5',
  'outside.example': '93.184.215.14',
}
const started = await startDepot(tap, {
  environment: { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' },
  webhooks: {
    random: () => 0,
    lookup(hostname, done) {
      const address = ADDRESSES[hostname]
      if (address === undefined) done(new Error('ENOTFOUND'), [])
      else done(null, [{ address, family: address.includes(':') ? 6 : 4 }])
    },
  },
})
const member = await started.account('member')
const actor = { client: 'tests', door: 'cli' } as const
const make = (body: object) => callApi(started, 'POST', '/api/v1/webhooks', { body })

test('a webhook is created with a secret that is shown once, and found by its name', async (t) => {
  const url = `${receiver.url}first?x=1`
  const made = await make({ name: 'first', url, filter: { kinds: ['promotion'], views: ['union'] } })
  t.match(made, {
    status: 201,
    differences: '',
    headers: { location: '/api/v1/webhooks/first', 'cache-control': 'no-store' },
    body: {
      name: 'first',
      url,
      filter: { kinds: ['promotion'], views: ['union'] },
      state: 'delivering',
      created_by: 'admin',
      secret: /^whsec_/,
      attempts: 0,
      paused: null,
      replay: null,
    },
  })
  const found = await callApi(started, 'GET', '/api/v1/webhooks/first')
  t.match(found, {
    status: 200,
    differences: '',
    body: { name: 'first', url, behind: 0, filter: { kinds: ['promotion'], views: ['union'] } },
  })
  t.notOk('secret' in (found.body ?? {}))
  t.match(await make({ name: 'first', url }), {
    status: 409,
    differences: '',
    body: { code: 'already_exists' },
  })
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/second'), {
    status: 404,
    differences: '',
    body: { code: 'not_found' },
  })
})

test('webhooks are listed by name, in pages, and as text', async (t) => {
  await make({ name: 'zebra', url: `${receiver.url}zebra` })
  await make({ name: 'aardvark', url: `${receiver.url}aardvark` })
  const page = await callApi(started, 'GET', '/api/v1/webhooks?limit=2')
  t.match(page, {
    status: 200,
    differences: '',
    body: { webhooks: [{ name: 'aardvark' }, { name: 'first' }], next: /cursor=/ },
  })
  t.match(await callApi(started, 'GET', String(page.body?.['next'])), {
    body: { webhooks: [{ name: 'zebra' }], next: null },
  })
  const { text, differences } = await callApi(started, 'GET', '/api/v1/webhooks?format=text')
  t.equal(differences, '')
  t.match(
    text,
    /^WEBHOOK +STATE +WHY +SINCE +POSITION +BEHIND +ATTEMPTS +NEXT ATTEMPT +URL\naardvark +delivering +- +- +\d+ +0 +0 +- +http:\/\/127/,
  )
  t.match((await callApi(started, 'GET', '/api/v1/webhooks/zebra?format=text')).text, /\nzebra +delivering/)
})

test('deliveries are listed newest first, in pages, and as text without control characters', async (t) => {
  receiver.behave((answer) => answer.writeHead(202).end('thanks \u{1b}[2J'))
  await make({ name: 'told', url: `${receiver.url}told`, filter: { kinds: ['view-created'] } })
  for (const name of ['one', 'two', 'three']) await makeView(started, name, 'promoted')
  await until('three deliveries are listed', async () => {
    const { body = {} } = await callApi(started, 'GET', '/api/v1/webhooks/told/deliveries')
    return (body['deliveries'] as object[]).length === 3
  })
  const page = await callApi(started, 'GET', '/api/v1/webhooks/told/deliveries?limit=2')
  t.match(page, {
    status: 200,
    differences: '',
    headers: { 'cache-control': 'no-store' },
    body: { webhook: 'told', deliveries: [{ status: 202, error: null, attempt: 1 }, {}], next: /cursor=/ },
  })
  t.match(await callApi(started, 'GET', String(page.body?.['next'])), {
    differences: '',
    body: { deliveries: [{ id: /^msg_/ }], next: null },
  })
  const { text } = await callApi(started, 'GET', '/api/v1/webhooks/told/deliveries?format=text')
  t.match(
    text,
    /^AT +SEQUENCE +ATTEMPT +STATUS +MS +OUTCOME +ANSWER\n2026-01-01T00:00:\d\dZ +\d+ +1 +202 +\d+ +accepted +thanks \?\[2J\n/,
  )
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/zebra/deliveries?cursor=nonsense'), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/cursor' }] },
  })
  receiver.behave(204)
})

test('a ping returns its result at once, also for a paused webhook, and is not counted', async (t) => {
  await make({ name: 'pinged', url: `${receiver.url}pinged`, filter: { kinds: ['promotion'] } })
  await callApi(started, 'PATCH', '/api/v1/webhooks/pinged', { body: { paused: true } })
  receiver.behave((answer) => answer.writeHead(200).end('pong'))
  const ping = () => callApi(started, 'POST', '/api/v1/webhooks/pinged/pings')
  t.match(await ping(), {
    status: 200,
    differences: '',
    body: {
      accepted: true,
      status: 200,
      answer: 'pong',
      error: null,
      id: /^msg_[0-9a-f]{16}_0_ping_[0-9a-f]{16}$/,
    },
  })
  const last = receiver.received.at(-1)
  t.match(last, {
    path: '/pinged',
    body: { kind: 'ping', webhook: 'pinged', sequence: null },
    headers: { 'webhook-signature': /^v1,/ },
  })
  receiver.behave(500)
  t.match(await ping(), {
    status: 200,
    differences: '',
    body: { accepted: false, status: 500, error: 'answered 500' },
  })
  receiver.behave(204)
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/pinged'), {
    body: { state: 'paused', attempts: 0 },
  })
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/pinged/deliveries'), { body: { deliveries: [] } })
})

test('only administrators of the whole depot see and change webhooks, and others get 403 first', async (t) => {
  const narrowed = await started.account('narrowed', { origins: ['acme'] })
  const routes = [
    ['GET', '/api/v1/webhooks'],
    ['POST', '/api/v1/webhooks'],
    ['GET', '/api/v1/webhooks/first'],
    ['GET', '/api/v1/webhooks/not-there'],
    ['PATCH', '/api/v1/webhooks/first'],
    ['DELETE', '/api/v1/webhooks/first'],
    ['GET', '/api/v1/webhooks/first/deliveries'],
    ['POST', '/api/v1/webhooks/first/replays'],
    ['POST', '/api/v1/webhooks/first/pings'],
    ['POST', '/api/v1/webhooks/first/secrets'],
  ] as const
  for (const [method, url] of routes) {
    t.match(
      await callApi(started, method, url, { token: null }),
      { status: 401, differences: '', body: { code: 'unauthenticated' } },
      `${method} ${url}`,
    )
    for (const token of [member, narrowed])
      t.match(
        await callApi(started, method, url, { token }),
        { status: 403, differences: '', body: { code: 'forbidden' } },
        `${method} ${url}`,
      )
  }
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/first'), { status: 200 })
})

test('a malformed URL, or one with more than a receiver, is refused by name', async (t) => {
  const urls = [
    'nonsense',
    '',
    'ftp://outside.example/',
    'file:///etc/passwd',
    'https://',
    'http://user:secret@outside.example/',
    'http://user@outside.example/',
    'https://outside.example/#x',
    `https://outside.example/${'x'.repeat(2_000)}`,
  ]
  for (const url of urls) {
    const answer = await make({ name: 'refused', url })
    t.match(
      answer,
      { status: 400, differences: '', body: { code: 'invalid_request', errors: [{ pointer: '/url' }] } },
      url,
    )
    t.notMatch(answer.text, /secret/)
    t.match(
      await callApi(started, 'PATCH', '/api/v1/webhooks/first', { body: { url } }),
      { status: 400, body: { errors: [{ pointer: '/url' }] } },
      url,
    )
  }
})

test('an internal address is refused on creation, as number, name, or embedded in IPv6', async (t) => {
  const hosts = [
    '10.0.0.5',
    '192.168.1.1',
    '169.254.169.254',
    '0xa9.254.43518',
    '[::1]',
    '[::ffff:10.0.0.5]',
    '[fd00:ec2::254]',
    'inside.example',
    'metadata.example',
    'mapped.example',
    'inside.example:8080',
  ]
  for (const host of hosts) {
    for (const answer of [
      await make({ name: 'inside', url: `https://${host}/` }),
      await callApi(started, 'PATCH', '/api/v1/webhooks/first', { body: { url: `https://${host}/` } }),
    ]) {
      t.match(
        answer,
        {
          status: 400,
          differences: '',
          body: {
            errors: [
              {
                pointer: '/url',
                detail: mentions('DEPOT_WEBHOOK_NETWORKS'),
              },
            ],
          },
        },
        host,
      )
    }
  }
  t.match(await make({ name: 'outside', url: 'https://outside.example:8443/path' }), { status: 201 })
  t.match(
    await make({ name: 'not-yet', url: 'https://nowhere.example/' }),
    { status: 201 },
    'a name that is not there yet may come',
  )
})

test('filters have limits and accept only existing kinds', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, index) => `view-${index}`)
  const refused = [
    [{ views: many }, '/filter/views'],
    [{ origins: many }, '/filter/origins'],
    [{ kinds: ['nonsense'] }, '/filter/kinds/0'],
    [{ views: ['-x'] }, '/filter/views/0'],
    [{ origins: ['Acme'] }, '/filter/origins/0'],
    [{ views: [] }, '/filter/views'],
    [{ names: ['x'] }, '/filter/names'],
    [null, '/filter'],
  ] as const
  for (const [filter, pointer] of refused) {
    t.match(
      await make({ name: 'filtered', url: receiver.url, filter }),
      { status: 400, differences: '', body: { errors: [{ pointer }] } },
      pointer,
    )
  }
  t.match(
    await make({
      name: 'filtered',
      url: receiver.url,
      filter: { views: many.slice(0, 100), origins: ['acme'], kinds: ['promotion'] },
    }),
    { status: 201, differences: '' },
  )
  t.match(await callApi(started, 'PATCH', '/api/v1/webhooks/filtered', { body: { filter: {} } }), {
    status: 200,
    differences: '',
    body: { filter: {} },
  })
})

test('other malformed input is refused by name', async (t) => {
  for (const name of ['', 'A', '-x', 'a.b', 'a/b', 'x'.repeat(65)])
    t.match(
      await make({ name, url: receiver.url }),
      { status: 400, body: { errors: [{ pointer: '/name' }] } },
      name,
    )
  t.match(await make({ name: 'bad', url: receiver.url, after: -1 }), {
    status: 400,
    body: { errors: [{ pointer: '/after' }] },
  })
  t.match(await make({ name: 'bad', url: receiver.url, secret: 'mine' }), {
    status: 400,
    body: { errors: [{ pointer: '/secret' }] },
  })
  t.match(await callApi(started, 'PATCH', '/api/v1/webhooks/first', { body: {} }), {
    status: 400,
    differences: '',
  })
  t.match(await callApi(started, 'PATCH', '/api/v1/webhooks/first', { body: { name: 'renamed' } }), {
    status: 400,
    body: { errors: [{ pointer: '/name' }] },
  })
  t.match(await callApi(started, 'PATCH', '/api/v1/webhooks/nothing', { body: { paused: true } }), {
    status: 404,
    differences: '',
  })
  for (const [body, pointer] of [
    [{}, '/from'],
    [{ from: 0 }, '/from'],
    [{ from: 5, to: 4 }, '/to'],
    [{ from: 'x' }, '/from'],
  ] as const) {
    t.match(await callApi(started, 'POST', '/api/v1/webhooks/first/replays', { body }), {
      status: 400,
      differences: '',
      body: { errors: [{ pointer }] },
    })
  }
  for (const act of ['replays', 'pings', 'secrets'])
    t.match(
      await callApi(started, 'POST', `/api/v1/webhooks/nothing/${act}`, { body: { from: 1 } }),
      { status: 404, differences: '' },
      act,
    )
})

test('there can be at most a hundred webhooks', async (t) => {
  const own = await startDepot(t, {
    environment: {
      DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8',
      DEPOT_PUBLIC_URL: 'https://host.example/depot',
    },
  })
  t.match(
    await callApi(own, 'POST', '/api/v1/webhooks', { body: { name: 'hook-0', url: receiver.url } }),
    { status: 201, headers: { location: '/depot/api/v1/webhooks/hook-0' } },
    'Location starts with the path of the depot',
  )
  const input = (name: string) => ({
    name,
    key: name,
    host: 'h',
    sealedUrl: own.depot.secrets.seal('http://h/', `webhook url ${name}`),
    sealedSecret: '',
    filter: { views: ['none'] },
  })
  const names = Array.from({ length: 99 }, (_, index) => `hook-${index + 1}`)
  await Promise.all(
    names.map((name) => own.depot.writer.submit({ kind: 'addWebhook', input: input(name), actor })),
  )
  await t.rejects(own.depot.writer.submit({ kind: 'addWebhook', input: input('one-more'), actor }), {
    code: 'conflict',
  })
})

test('with another secret key, webhooks report a fault and can be removed', async (t) => {
  const own = await startDepot(t)
  await own.depot.writer.submit({
    kind: 'addWebhook',
    input: {
      name: 'sealed',
      key: 'k',
      host: 'h',
      sealedUrl: 'other.AAAA',
      sealedSecret: 'other.AAAA',
      filter: {},
    },
    actor,
  })
  await makeView(own, 'one', 'promoted')
  await until(
    'the webhook is stored and its failure is logged',
    async () =>
      (await own.depot.db.selectFrom('webhooks').select('key').executeTakeFirst()) !== undefined &&
      own.logged.some(({ webhook }) => webhook === 'sealed'),
  )
  t.match(
    own.logged.find(({ webhook }) => webhook === 'sealed'),
    {
      msg: 'a webhook fails',
      error: 'the secret was encrypted with the key other, which this depot does not have',
    },
  )
  t.match(await callApi(own, 'POST', '/api/v1/webhooks/sealed/pings'), {
    status: 200,
    differences: '',
    body: { accepted: false, status: null, error: /^the secret was encrypted with the key other/ },
  })
  t.match(await callApi(own, 'GET', '/api/v1/webhooks'), {
    status: 200,
    differences: '',
    body: { webhooks: [{ name: 'sealed', url: null, state: 'failing' }] },
  })
  t.match(await callApi(own, 'DELETE', '/api/v1/webhooks/sealed'), { status: 204 })
})

async function metricsText(): Promise<string> {
  return (await callApi(started, 'GET', '/metrics', { token: null })).text
}

test('attempts, states and backlogs of webhooks are metrics', async (t) => {
  const accepted = /^hart_depot_webhook_attempts_total\{outcome="accepted"\} [1-9]\d*$/m
  await until('the metrics count the accepted delivery', async () => accepted.test(await metricsText()))
  t.match(await metricsText(), /^hart_depot_webhooks\{state="paused"\} 1$/m)
  t.match(await metricsText(), /^hart_depot_webhook_behind_entries\{webhook="first"\} 0$/m)
})
