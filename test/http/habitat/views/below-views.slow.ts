import tap, { test } from 'tap'
import { ask, converse } from '../../../support/ask.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// Refusals below the URL of a view, which `hab` shows (habitat-today.md 1.2, real-supervisor.md 14).

const RELEASE = 'app/1.0.0/20260101120000'
const HAB = { 'user-agent': 'hab/2.1.78/20260801000000 (x86_64-linux; 6.1.0)' }
const SUP = { 'user-agent': 'hab-sup/2.1.78/20260801000000 (x86_64-linux; 6.1.0)' }

const started = await startDepot(tap, { listen: true, hasThreads: true })
const releases = await makeReleases(started, `acme/${RELEASE}`)
await makeView(started, 'production', 'promoted')
await move(started, 'promote', 'production', releases)

const below = (view: string, places: readonly string[]) =>
  ['/v1/depot', '/v1'].flatMap((mount) =>
    ['', '/depot'].flatMap((place) => places.map((rest) => `${mount}/views/${view}${place}/${rest}`)),
  )
const READS = [
  'pkgs/acme/app/latest',
  'pkgs/acme/app/latest?target=x86_64-linux',
  'pkgs/acme/app/1.0.0/latest',
  `pkgs/acme/${RELEASE}`,
  `pkgs/acme/${RELEASE}/download`,
  `pkgs/acme/${RELEASE}/channels`,
  'pkgs/acme',
  'pkgs/acme/app',
  'pkgs/search/app',
  'channels/acme',
  'channels/acme/stable/pkgs',
  'channels/acme/stable/pkgs/app/latest',
  'channels/core/stable/pkgs/glibc/latest',
  'channels/acme/stable/pkgs/_latest?target=x86_64-linux',
  `channels/acme/stable/pkgs/${RELEASE}?target=x86_64-linux`,
  'origins/acme/keys',
  'origins/acme/keys/latest',
  'no/such/route',
]
const WRITES = [
  ['POST', `pkgs/acme/${RELEASE}`],
  ['DELETE', `pkgs/acme/${RELEASE}`],
  ['PATCH', `pkgs/acme/${RELEASE}/private`],
  ['POST', 'origins/acme/keys/20260101120000'],
  ['POST', 'origins/acme/secret_keys/acme'],
  ['POST', 'channels/acme/fresh'],
  ['DELETE', 'channels/acme/fresh'],
  ['PUT', `channels/acme/stable/pkgs/${RELEASE}/promote`],
  ['PUT', `channels/acme/stable/pkgs/${RELEASE}/demote`],
  ['PUT', 'channels/acme/stable/pkgs/promote?channel=base'],
  ['PUT', 'origins/acme/users/x/role?role=member'],
] as const

const warnings = ({ logged }: TestDepot) =>
  logged.filter((line) => String(line['msg']).startsWith('a request below the URL of a view was refused: '))

test('an absent view is 400 for hab and 404 for others; the error names it and the most similar name', async (t) => {
  const sentence = 'there is no open view "produktion"; did you mean production?'
  for (const path of below('produktion', READS)) {
    for (const headers of [HAB, SUP]) {
      const told = await ask(started.url + path, { headers })
      t.match(
        { status: told.status, json: JSON.parse(told.text) },
        { status: 400, json: { code: 4, msg: sentence } },
        path,
      )
    }
    t.match(await ask(started.url + path), { status: 404, text: sentence }, path)
  }
  t.match(await ask(`${started.url}/v1/depot/views/produktion`), { status: 404, text: sentence })
  t.match(await ask(`${started.url}/v1/depot/views/${'x'.repeat(500)}/pkgs/acme/app/latest`), {
    status: 404,
    text: `there is no open view "${'x'.repeat(80)}…"`,
  })
  t.match(await ask(`${started.url}/v1/depot/views/nothing-like-it/pkgs/acme/app/latest`), {
    status: 404,
    text: 'there is no open view "nothing-like-it"',
  })
  t.match(
    await ask(`${started.url}/v1/depot/views/produktion/pkgs/acme/app/latest`, { headers: bearer('wrong') }),
    { status: 401, text: '' },
    'a wrong token comes first',
  )
})

test('an absent package below an open view is an empty 404, on any connection', async (t) => {
  for (const path of ['pkgs/acme/web/latest', 'pkgs/acme/app/9/latest', 'no/such/route', '']) {
    for (const headers of [{}, HAB])
      t.match(
        await ask(`${started.url}/v1/depot/views/production/${path}`, { headers }),
        { status: 404, text: '' },
        path,
      )
  }
  t.equal(
    (await ask(`${started.url}/v1/depot/views/production/pkgs/acme/app/latest`, { headers: HAB })).status,
    200,
  )
})

test('closing and reopening a view take effect at once', async (t) => {
  const one = await startDepot(t, { listen: true, hasThreads: true })
  await makeReleases(one, `acme/${RELEASE}`)
  const actor = { client: 'tests', door: 'cli' } as const
  const poll = async () =>
    (
      await ask(`${one.url}/v1/depot/views/tomorrow/pkgs/acme/app/latest?target=x86_64-linux`, {
        headers: HAB,
      })
    ).status
  const channel = { origin: 'acme', name: 'tomorrow' }
  t.equal(await poll(), 400)
  for (let round = 0; round < 2; round += 1) {
    await one.depot.writer.submit({ kind: 'declareChannel', input: { ...channel, ownerId: 1 }, actor })
    t.equal(await poll(), 404, 'it is open, and empty')
    await one.depot.writer.submit({ kind: 'removeChannel', input: channel, actor })
    t.equal(await poll(), 400, 'it is closed')
  }
})

test('the log has at most one warning per minute and name, for at most 1,000 names', async (t) => {
  const one = await startDepot(t)
  const poll = (view: string) =>
    one.app.inject({ url: `/v1/depot/views/${view}/pkgs/acme/app/latest`, headers: HAB })
  for (let n = 0; n < 3; n += 1) await poll('stabel')
  t.match(warnings(one), [
    {
      msg: 'a request below the URL of a view was refused: there is no open view "stabel"; did you mean stable?',
      address: '127.0.0.1',
    },
  ])
  t.equal(warnings(one).length, 1)
  t.equal(
    one.logged.filter((line) => line['msg'] === 'request' && line['level'] !== 'debug').length,
    0,
    'polls themselves are lines for debugging',
  )
  one.setClock(START + 61_000)
  await poll('stabel')
  t.equal(warnings(one).length, 2)
  for (let n = 0; n < 1_100; n += 1) await poll(`stable-${n}`)
  t.equal(warnings(one).length, 1_001, 'requests beyond the limit are refused without a log line')
  t.match((await poll('stable-1099')).json(), { msg: 'there is no open view "stable-1099"' })
  one.setClock(START + 130_000)
  await poll('stabel')
  t.equal(warnings(one).length, 1_002)
})

test('the 2016 promotion into an absent view is checked after 401 and before 403', async (t) => {
  const stranger = await started.account('stranger')
  const url = `${started.url}/v1/depot/views/produktion/pkgs/acme/${RELEASE}/promote`
  t.match(await ask(url, { method: 'POST' }), { status: 401, text: '' })
  for (const token of [stranger, undefined])
    t.match(await ask(url, { method: 'POST', headers: bearer(token) }), { status: 404, text: /produktion/ })
  t.match(await ask(url, { method: 'POST', headers: { ...bearer(stranger), ...HAB } }), {
    status: 400,
    text: /produktion/,
  })
})

test("a write below a view's URL is refused with the right URL", async (t) => {
  for (const [method, rest] of WRITES) {
    for (const mount of ['/v1/depot', '/v1']) {
      const [place = ''] = rest.split('?')
      const sentence = `the URL of a view is read-only: send ${method} to ${started.url}${mount}/${place}`
      for (const url of [
        `${started.url}${mount}/views/production/${rest}`,
        `${started.url}${mount}/views/production/depot/${rest}`,
      ]) {
        const plain = await ask(url, { method, headers: bearer(), ...(method !== 'DELETE' && { body: 'x' }) })
        t.match(
          { status: plain.status, text: plain.text, allow: plain.headers.allow },
          { status: 405, text: sentence, allow: 'GET, HEAD' },
          `${method} ${url}`,
        )
        const told = await ask(url, { method, headers: { ...HAB, ...bearer() } })
        t.match(
          { status: told.status, json: JSON.parse(told.text), allow: told.headers.allow },
          { status: 405, json: { code: 2, msg: sentence }, allow: 'GET, HEAD' },
          `${method} ${url}, by hab`,
        )
      }
    }
  }
  const talk = converse(started.url)
  await talk.say('POST /v1/depot/views/production/channels/acme/fresh HTTP/1.0\r\n\r\n')
  t.match(
    await talk.toTheEnd(),
    /is read-only: send POST to \/v1\/depot\/channels\/acme\/fresh$/,
    'without Host',
  )
  const published = await startDepot(t, {
    environment: { DEPOT_PUBLIC_URL: 'https://host.example/builder/' },
  })
  const { body } = await published.app.inject({
    method: 'POST',
    url: '/v1/depot/views/stable/depot/channels/acme/fresh',
  })
  t.equal(
    body,
    'the URL of a view is read-only: send POST to https://host.example/builder/v1/depot/channels/acme/fresh',
  )
  t.match(
    await ask(`${started.url}/v1/depot/views/produktion/channels/acme/fresh`, {
      method: 'POST',
      headers: HAB,
    }),
    { status: 400, text: /did you mean production/ },
    'an absent view is reported first',
  )
  t.match(
    await ask(`${started.url}/v1/depot/views/production/pkgs/acme/${RELEASE}/promote`, {
      method: 'POST',
      headers: bearer(),
    }),
    { status: 200 },
    'but the promotion of 2016',
  )
})
