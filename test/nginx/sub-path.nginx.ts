import { test } from 'tap'
import type { Test } from 'tap'
import { ask } from '../support/ask.ts'
import { startNginx } from '../support/http/proxy-programs.ts'
import { startDepot } from '../support/start-depot.ts'
import { followLinks, pullAndImport } from '../support/copies/sub-path.ts'

// A depot behind a real nginx, with the configurations of docs/proxies.md. Needs nginx: `npm run test:nginx`.

const PATH = '/builder/depot'
const POLL = '/v1/depot/views/acceptance/pkgs/acme/app/latest'

/** Starts nginx with one server, and resolves with its URL. */
async function serverWith(t: Test, locations: string): Promise<string> {
  const port = await startNginx(t, (free) => `server { listen 127.0.0.1:${free}; ${locations} }`)
  return `http://127.0.0.1:${port}`
}

const STREAMS =
  'client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 120s;'
const FORWARDS = 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $host;'

test('nginx takes the path away, and the public URL has it', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    environment: { DEPOT_PUBLIC_URL: `https://host.example${PATH}/` },
  })
  const url = await serverWith(t, `location ${PATH}/ { proxy_pass ${started.url}/; ${STREAMS} ${FORWARDS} }`)
  await followLinks(t, started, url + PATH)
  await pullAndImport(t, started, url + PATH)
})

test('nginx leaves the path, and the public URL has it', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    environment: { DEPOT_PUBLIC_URL: `https://host.example${PATH}/` },
  })
  const url = await serverWith(t, `location ${PATH}/ { proxy_pass ${started.url}; ${STREAMS} ${FORWARDS} }`)
  await followLinks(t, started, url + PATH)
})

test('nginx takes the path away and forwards it, and is trusted', async (t) => {
  const started = await startDepot(t, { listen: true, environment: { DEPOT_TRUST_PROXY: '127.0.0.1' } })
  const url = await serverWith(
    t,
    `location ${PATH}/ { proxy_pass ${started.url}/; proxy_set_header X-Forwarded-Prefix ${PATH}; ${STREAMS} ${FORWARDS} }`,
  )
  await followLinks(t, started, url + PATH)
  await pullAndImport(t, started, url + PATH)
})

test('wrong tokens are counted for the address that nginx forwards', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    limits: { wrongTokensPerMinute: 1 },
    environment: { DEPOT_TRUST_PROXY: '127.0.0.1' },
  })
  const url = await serverWith(
    t,
    `location / { proxy_pass ${started.url}; proxy_set_header X-Forwarded-For $http_x_test_address; }`,
  )
  const statuses: number[] = []
  for (const address of ['203.0.113.1', '203.0.113.1', '203.0.113.2']) {
    statuses.push(
      (await ask(url + POLL, { headers: { authorization: 'Bearer wrong', 'x-test-address': address } }))
        .status,
    )
  }
  t.strictSame(statuses, [401, 429, 401])
})
