import { test } from 'tap'
import { ask } from '../../support/ask.ts'
import { ADMIN_TOKEN, startDepot } from '../../support/start-depot.ts'

test('HEAD has the status and the headers of GET, and no body', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  for (const path of [
    '/v1/depot/views',
    '/v1/pkgs/acme',
    '/v1/views/prod/pkgs/acme',
    '/v1/status',
    '/v1/depot/origins/acme',
    '/api/v1/views',
    '/api/v1/views/prod',
    '/api/v1/events',
    '/healthz',
    '/readyz',
    '/openapi.yaml',
  ]) {
    const heads = ['GET', 'HEAD'].map(async (method) => {
      const { status, headers: sent, text } = await ask(url + path, { method, headers })
      return {
        status,
        headers: { ...sent, date: '', 'x-request-id': '' },
        ...(method === 'HEAD' && { text }),
      }
    })
    const [get, head] = await Promise.all(heads)
    t.strictSame(head, { ...get, text: '' }, path)
  }
})
