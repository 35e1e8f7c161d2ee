import { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { bearer, makeOrigin, promoteTo, publishAll } from '../../../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'
import { OPENAPI } from '../../../support/openapi.ts'

const NO_CACHE = 'private, no-cache, no-store'
const ACME = [
  'acme/app/1.9.0/20260101120000',
  'acme/app/1.10.0/20260101120000',
  'acme/app/1.10.0-rc1/20260101120000',
  'acme/app/1.2.0/20260601120000',
  'acme/app-tools/9/20260101120000',
]

async function get(started: TestDepot, path: string, headers: Record<string, string> = {}) {
  const { statusCode, headers: given, body } = await started.app.inject({ url: `/v1/depot/${path}`, headers })
  return { status: statusCode, headers: given, body }
}

/** Returns the ident in the response for a path, or the status. */
async function identAt(started: TestDepot, path: string, headers?: Record<string, string>): Promise<string> {
  const { status, body } = await get(started, path, headers)
  if (status !== 200) return String(status)
  return (JSON.parse(body) as { ident_array: string[] }).ident_array.slice(1).join('/')
}

test('latest is the highest release of a view under highest, and the one promoted last under promoted', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(started, ...ACME, 'acme/app/2.0.0/20260101120000 for aarch64-linux')
  const [low, high] = releases
  for (const view of ['stable', 'acceptance']) {
    for (const release of [high, low].flatMap((found) => found ?? []))
      await move(started, 'promote', view, [release])
  }
  const answers = {
    'pkgs/acme/app/latest': 'app/1.10.0/20260101120000',
    'pkgs/acme/app/latest?target=aarch64-linux': 'app/2.0.0/20260101120000',
    'pkgs/acme/app/latest?target=x86_64-windows': '404',
    'pkgs/acme/app/1.2.0/latest': 'app/1.2.0/20260601120000',
    'pkgs/acme/app/1.10.0/latest': 'app/1.10.0/20260101120000',
    'pkgs/acme/app/1.10/latest': '404',
    'channels/acme/unstable/pkgs/app/latest': 'app/1.10.0/20260101120000',
    'channels/acme/stable/pkgs/app/latest': 'app/1.10.0/20260101120000',
    'channels/acme/acceptance/pkgs/app/latest': 'app/1.9.0/20260101120000',
    'channels/acme/acceptance/pkgs/app/1.10.0/latest': 'app/1.10.0/20260101120000',
    'channels/acme/acceptance/pkgs/app/1.2.0/latest': '404',
    'views/acceptance/pkgs/acme/app/latest': 'app/1.9.0/20260101120000',
    'views/acceptance/pkgs/acme/app/1.10.0/latest': 'app/1.10.0/20260101120000',
    'views/acceptance/depot/pkgs/acme/app/latest': 'app/1.9.0/20260101120000',
    'views/acceptance/depot/channels/acme/stable/pkgs/app/latest': 'app/1.9.0/20260101120000',
    'views/acceptance/channels/acme/stable/pkgs/app/latest': 'app/1.9.0/20260101120000',
    'views/union/pkgs/acme/app/latest': '404',
    'views/no-such-view/pkgs/acme/app/latest': '404',
    'channels/acme/no-such-channel/pkgs/app/latest': '404',
    'views/acceptance/pkgs/acme/app-tools/latest': '404',
    'pkgs/acme/app%20x86_64-linux/latest': '404',
    'pkgs/acme%2Fapp/x/latest': '404',
    'pkgs/acme/%00/latest': '404',
    [`pkgs/acme/${'a'.repeat(300)}/latest`]: '404',
    'pkgs/acme/app/latest/': 'app/1.10.0/20260101120000',
  }
  for (const [path, expected] of Object.entries(answers))
    t.equal(await identAt(started, path), expected, path)
  t.equal(
    await identAt(started, 'pkgs/acme/app/latest', { 'user-agent': 'hab/2.1.78 (aarch64-linux; 6.1)' }),
    'app/2.0.0/20260101120000',
    "the client's own target",
  )
  t.equal(
    await identAt(started, 'pkgs/acme/app/latest', { 'user-agent': 'curl (vax-vms; 1)' }),
    'app/1.10.0/20260101120000',
  )
})

test('an exact show finds members of the channel, and below a view any release of the depot', async (t) => {
  const started = await startDepot(t)
  const [release] = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await move(started, 'promote', 'stable', release ? [release] : [])
  const answers = {
    'pkgs/acme/app/1.0.0/20260101120000': 'app/1.0.0/20260101120000',
    'pkgs/acme/app/1.0.0/20260101120000?target=x86_64-windows': 'app/1.0.0/20260101120000', // the target is ignored,
    'pkgs/acme/app/1.0.0/20260101120001': '404',
    'pkgs/ACME/app/1.0.0/20260101120000': '404',
    'channels/acme/unstable/pkgs/app/1.0.0/20260101120000': 'app/1.0.0/20260101120000',
    'channels/acme/stable/pkgs/app/1.0.0/20260101120000': 'app/1.0.0/20260101120000',
    'channels/acme/acceptance/pkgs/app/1.0.0/20260101120000': '404',
    'views/acceptance/pkgs/acme/app/1.0.0/20260101120000': 'app/1.0.0/20260101120000',
    'views/acceptance/depot/channels/acme/stable/pkgs/app/1.0.0/20260101120000': 'app/1.0.0/20260101120000',
  }
  for (const [path, expected] of Object.entries(answers))
    t.equal(await identAt(started, path), expected, path)
})

test('a package object has every field of both generations', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const glibc = 'core/glibc/2.41/20260101120000'
  const [hart] = await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    deps: [glibc],
    tdeps: [glibc],
    exposes: [80, 443],
    manifest: '# acme / app\n\n    pkg_exports=()\n',
    config: 'port = 80\n',
  })
  if (hart !== undefined) await promoteTo(started, 'stable', hart)
  const dep = { origin: 'core', name: 'glibc', version: '2.41', release: '20260101120000' }
  const whole = {
    id: '1',
    owner_id: '1',
    name: 'app',
    ident: { origin: 'acme', name: 'app', version: '1.0.0', release: '20260101120000' },
    ident_array: ['acme', 'app', '1.0.0', '20260101120000'],
    origin: 'acme',
    checksum: hart?.checksum,
    manifest: '# acme / app\n\n    pkg_exports=()',
    config: 'port = 80',
    target: 'x86_64-linux',
    deps: [dep],
    tdeps: [dep],
    build_deps: [],
    build_tdeps: [],
    exposes: [80, 443],
    visibility: 'public',
    package_type: 'Standard',
    is_a_service: true,
    channels: ['unstable', 'stable'],
  }
  for (const path of [
    'channels/acme/stable/pkgs/app/latest',
    'views/stable/pkgs/acme/app/latest',
    'channels/acme/stable/pkgs/app/1.0.0/20260101120000',
    'views/union/pkgs/acme/app/1.0.0/20260101120000',
  ]) {
    const { headers, body } = await get(started, path)
    const { created_at, updated_at, ...rest } = JSON.parse(body) as Record<string, unknown>
    t.strictSame(rest, whole, path)
    t.match([created_at, updated_at].join(' '), /^2026-01-01T00:00:\d\d\.\d{6} 2026-01-01T00:00:\d\d\.\d{6}$/)
    t.match(headers, {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': NO_CACHE,
      etag: `"${hart?.checksum ?? ''}"`,
      'depot-target': 'x86_64-linux',
    })
  }
  const brief = { ...whole, manifest: '', config: '', size: hart?.bytes.length }
  for (const [path, cacheControl] of [
    ['pkgs/acme/app/latest', NO_CACHE],
    ['pkgs/acme/app/1.0.0/20260101120000', 'public, max-age=31536000'],
  ] as const) {
    const { headers, body } = await get(started, path)
    const { created_at: _, updated_at: __, ...rest } = JSON.parse(body) as Record<string, unknown>
    t.strictSame(rest, brief, path)
    t.equal(headers['cache-control'], cacheControl)
  }
  t.match((await get(started, 'channels/acme/stable/pkgs/app/latest')).headers, {
    'depot-view': 'stable',
    'depot-revision': 1,
  })
  t.match(
    await get(started, 'pkgs/acme/app/latest', { 'if-none-match': `"${hart?.checksum ?? ''}"` }),
    { status: 304, body: '' },
    'its tag says which release it is',
  )
})

test('releases that are not public are absent for the public, and are not cached', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeReleases(started, 'acme/app/1.0.0/20260101120000', 'acme/app/2.0.0/20260101120000')
  await setVisibility(started, 'acme/app/2.0.0/20260101120000', 'private')
  const exact = 'pkgs/acme/app/2.0.0/20260101120000'
  const mine = await started.account('member')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'readonly_member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const strangers = await started.account('stranger')
  for (const headers of [{}, bearer(strangers)]) {
    t.equal(await identAt(started, 'pkgs/acme/app/latest', headers), 'app/1.0.0/20260101120000')
    for (const path of [exact, `${exact}/download`, 'channels/acme/unstable/pkgs/app/2.0.0/20260101120000']) {
      t.match(await get(started, path, headers), { status: 404, body: '' }, path)
    }
    t.equal((await get(started, `${exact}/channels`, headers)).body, '[]')
    t.match(JSON.parse((await get(started, 'pkgs/acme/app', headers)).body), {
      total_count: 1,
      data: [{ version: '1.0.0' }],
    })
    t.match(await get(started, 'views/unstable/pkgs/acme/app', headers), {
      body: /^\[\{[^{]*"1\.0\.0"[^{]*\}\]$/,
    })
  }
  for (const headers of [bearer(mine), bearer()]) {
    t.equal(await identAt(started, 'pkgs/acme/app/latest', headers), 'app/2.0.0/20260101120000')
    t.match(await get(started, exact, headers), { status: 200, headers: { 'cache-control': NO_CACHE } })
  }
  t.equal(
    await identAt(started, 'pkgs/acme/app/latest'),
    'app/1.0.0/20260101120000',
    'an answer to a member is not cached for others',
  )
})

test('an invalid target is 422 on every route that takes one, and the error names it', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  const examples: Record<string, string> = {
    origin: 'acme',
    name: 'app',
    version: '1.0.0',
    release: '20260101120000',
    channel: 'stable',
    view: 'acceptance',
  }
  const document = OPENAPI as {
    paths: Record<string, Record<string, { parameters?: { name: string }[] }>>
  }
  const asked: string[] = []
  for (const [template, operations] of Object.entries(document.paths).filter(([path]) =>
    path.startsWith('/v1/'),
  )) {
    for (const [verb, operation] of Object.entries(operations)) {
      if (operation.parameters?.some(({ name }) => name === 'target') !== true) continue
      const url = `${template.replaceAll(/\{(\w+)\}/g, (_, name: string) => examples[name] ?? name)}?target=vax-vms`
      const method = verb.toUpperCase() as 'GET'
      const { statusCode, body } = await started.app.inject({ method, url, headers: bearer() })
      t.strictSame([statusCode, body], [422, "Invalid package target 'vax-vms'"], `${method} ${url}`)
      asked.push(`${method} ${url}`)
    }
  }
  t.ok(asked.length >= 20, 'not all in vain')
  for (const method of ['POST', 'DELETE', 'PUT'])
    t.ok(
      asked.some((one) => one.startsWith(method)),
      method,
    )
})

test('metafiles are shown trimmed, as in Builder', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    manifest: '\n# acme / app\n\n* text \n\n',
    config: '\n port = 80\n\n',
  })
  const shown = JSON.parse((await get(started, 'channels/acme/unstable/pkgs/app/latest')).body) as Record<
    string,
    unknown
  >
  t.match([shown['manifest'], shown['config']], ['# acme / app\n\n* text', 'port = 80'])
})

test('the channels of a package are listed by name, descending bytewise', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await makeView(started, 'Zeta', 'promoted')
  for (const view of ['acceptance', 'Zeta', 'stable']) await move(started, 'promote', view, releases)
  for (const path of [
    'channels/acme/stable/pkgs/app/latest',
    'pkgs/acme/app/latest',
    'pkgs/acme/app/1.0.0/20260101120000',
    'views/acceptance/pkgs/acme/app/latest',
  ]) {
    const shown = JSON.parse((await get(started, path)).body) as Record<string, unknown>
    t.strictSame(shown['channels'], ['unstable', 'stable', 'acceptance', 'Zeta'], path)
  }
})

test('a poll keeps its connection open', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  for (const path of [
    'channels/acme/unstable/pkgs/app/latest',
    'channels/acme/unstable/pkgs/nothing/latest',
    'no/route',
  ]) {
    const answer = await ask(`${started.url}/v1/depot/${path}`, { headers: { connection: 'keep-alive' } })
    t.equal(answer.headers.connection, 'keep-alive', path)
  }
})
