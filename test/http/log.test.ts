import { test } from 'tap'
import { makeReleases } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

const basic = (token: string) => `Basic ${Buffer.from(`ci:${token}`).toString('base64')}`
const APP = 'acme/app/1.0.0/20260101000000'

test('no credential reaches the log', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, APP)
  const wrong = 'wrong-token-0123456789'
  const credentials = [
    `Bearer ${ADMIN_TOKEN}`,
    basic(ADMIN_TOKEN),
    `Bearer ${wrong}`,
    basic(wrong),
    wrong,
    `Bearer ${wrong} ${wrong}`,
    `Digest ${wrong}`,
  ]
  const requests = [
    ['GET', '/api/v1/views'],
    ['GET', '/nowhere'],
    ['GET', `/v1/depot/pkgs/${APP}`],
    ['GET', `/v1/depot/pkgs/${APP}/download?token=${wrong}`],
    ['POST', '/api/v1/views/delivered/promotions'],
    ['POST', `/v1/depot/views/delivered/pkgs/${APP}/promote`],
    ['PUT', `/v1/depot/channels/acme/stable/pkgs/app/1.0.0/20260101000000/promote`],
    ['POST', '/v1/depot/origins'],
    ['GET', '/api/v1/views/%ZZ'],
  ] as const
  for (const authorization of credentials) {
    for (const [method, url] of requests)
      await started.app.inject({
        method,
        url,
        headers: { authorization, 'x-token': wrong, cookie: `session=${wrong}` },
      })
  }
  t.ok(started.logged.length >= credentials.length * requests.length, 'all of them were logged')
  const log = JSON.stringify(started.logged)
  for (const secret of [ADMIN_TOKEN, wrong, basic(ADMIN_TOKEN).slice(6), basic(wrong).slice(6)])
    t.notOk(log.includes(secret), secret)
})

test('a change through the Habitat protocol is logged in one line with request, account and subject', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, APP)
  const { statusCode } = await started.app.inject({
    method: 'POST',
    url: `/v1/depot/views/delivered/pkgs/${APP}/promote`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  t.equal(statusCode, 200)
  t.match(
    started.logged.filter((line) => line['method'] === 'POST'),
    [
      {
        msg: 'request',
        level: 'info',
        request: /\S/,
        account: 'admin',
        status: 200,
        subject: `${APP} into delivered`,
      },
    ],
  )
})
