import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import tap, { test } from 'tap'
import { parseHosts } from '../../../../src/cli/fleet/hosts.ts'
import type { Fleet } from '../../../../src/cli/fleet/report.ts'
import { commandsOn } from '../../../support/command.ts'
import { NEW, OLD, startMoved } from '../../../support/views/view-scene.ts'

type Document = Record<string, unknown> & { pkg: { ident: string }; process: { state: string } }

function documentsOf(version: string): Document[] {
  const file = resolve(import.meta.dirname, `../../../fixtures/gateway/services-${version}.json`)
  return JSON.parse(readFileSync(file, 'utf8')) as Document[]
}

const [APP, DB] = documentsOf('2.1') as [Document, Document]
const [OLD_APP] = documentsOf('0.61') as [Document]
const { started } = await startMoved(tap)
const run = commandsOn(started)

/** Starts a server in place of a Supervisor's gateway, and returns its host. */
async function gateway(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done)
  })
  tap.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const services = async (...documents: readonly unknown[]) =>
  gateway((request, response) => {
    response.statusCode = request.url === '/services' ? 200 : 404
    response.end(JSON.stringify(documents))
  })

const fleet = async (hosts: readonly string[], ...args: readonly string[]) =>
  run(['fleet', '--hosts', '-', ...args], { stdin: hosts.join('\n') })
const fleetDocument = async (hosts: readonly string[], ...args: readonly string[]) =>
  JSON.parse((await fleet(hosts, '--json', ...args)).stdout) as Fleet

test('fleet shows what every Supervisor runs, how it is and what it follows', async (t) => {
  const [one, two] = [await services(APP, DB), await services(OLD_APP)]
  const found = await fleetDocument([one, two])
  t.match(found.services, [
    {
      host: one,
      group: 'app.default',
      ident: NEW,
      is_up: true,
      since: '2025-01-01T00:00:00Z',
      health: 'ok',
      restarts: 2,
      strategy: 'rolling',
      condition: 'track-channel',
      channel: 'stable',
      view: 'union',
      status: null,
      follows_rollback: true,
    },
    { group: 'db.default', strategy: 'none', view: 'base', follows_rollback: false },
    { host: two, is_up: false, health: 'critical', restarts: null, condition: null, follows_rollback: null },
  ])
  const { stdout } = await fleet([one, two])
  t.match(stdout, /app\.default +acme\/app\/1\.1\.0\/\d+ +up, ok, 2 restarts +union +rolling, track-channel/)
  for (const line of (await run(['fleet', '--hosts', '-'], { stdin: one, columns: 60 })).stdout.split('\n'))
    t.ok(line.length <= 60, line)
})

test('fleet compares with a view, and names those that would not follow a rollback', async (t) => {
  const behind = { ...APP, pkg: { ...APP.pkg, ident: OLD }, update_condition: 'latest' }
  const down = { ...APP, process: { ...APP.process, state: 'down' } }
  const hosts = [
    await services(APP, DB),
    await services(behind),
    await services(down),
    await services(OLD_APP),
  ]
  const view = await fleetDocument(hosts, '--view', 'union')
  t.strictSame(
    view.services.map(({ status }) => status),
    ['current', 'behind', 'current', 'behind'],
    'db follows something else',
  )
  t.match(view.summary, { following: 4, converged: 1, not_rolling_back: 1, is_converged: false })
  const one = await fleet(hosts, '--view', 'union', '--package', 'acme/app', '--exit-code')
  t.match(one, { code: 8, stdout: /Would not follow a rollback.*app\.default on 127/ })
  await run(['promote', 'union', OLD])
  const after = await fleetDocument(hosts, '--view', 'union', '--package', 'acme/app')
  t.strictSame(
    after.services.map(({ status }) => status),
    ['ahead', 'current', 'ahead', 'current'],
  )
  await run(['promote', 'union', NEW])
  t.match((await fleetDocument(hosts, '--view', 'rehearsal')).summary, { following: 0, is_converged: false })
  t.match(await fleet(hosts, '--view', 'nowhere'), { code: 5 })
})

test('a gateway that fails is named with its reason, and the others are shown', async (t) => {
  const silent = await gateway(() => undefined)
  const endless = await gateway((_, response) => {
    const piece = 'x'.repeat(1024 * 1024)
    const more = (error?: Error | null) => {
      if (!error) response.write(piece, more)
    }
    more()
  })
  const page = await gateway((_, response) => response.end('<html>'))
  const strange = await gateway((_, response) =>
    response.end('[{"service_group": "a.b", "pkg": {"ident": "x"}}]'),
  )
  const cut = await gateway((_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('[')
    setImmediate(() => response.destroy())
  })
  const hosts = [silent, endless, page, strange, cut, '127.0.0.1:1', await services(APP)]
  const found = await fleetDocument(hosts, '--gateway-timeout', '1s', '--view', 'union')
  t.match(
    found.gateways.map(({ error }) => error),
    [/within 1 s/, /longer than/, /not JSON/, /no package/, /cut|aborted/, /nothing listens/, null],
  )
  t.match(
    found.summary,
    { unread: 6, converged: 1, following: 1, is_converged: false },
    'unknown is not converged',
  )
})

test('the token of the gateways comes from a file, and only they get it', async (t) => {
  const seen: (string | undefined)[] = []
  const closed = await gateway((request, response) => {
    seen.push(request.headers.authorization)
    response.statusCode = request.headers.authorization === 'Bearer letmein' ? 200 : 401
    response.end('[]')
  })
  const file = resolve(t.testdir({ token: 'letmein\n' }), 'token')
  t.match((await fleetDocument([closed], '--token-file', file)).gateways, [{ error: null }])
  t.match((await fleetDocument([closed])).gateways, [{ error: /--token-file/ }])
  t.strictSame(seen, ['Bearer letmein', undefined])
})

test('a token in the URL of a depot is not shown', async (t) => {
  const host = await services({
    ...APP,
    bldr_url: 'http://secret@depot.example/v1/depot/views/union?t=secret',
  })
  const { stdout } = await fleet([host], '--json')
  t.match(stdout, 'http://depot.example/v1/depot/views/union')
  t.notMatch(stdout, 'secret')
})

test('fleet --wait ends when every service has followed', async (t) => {
  let reads = 0
  const slow = await gateway((_, response) => {
    reads += 1
    response.end(JSON.stringify([reads < 3 ? { ...APP, pkg: { ...APP.pkg, ident: OLD } } : APP]))
  })
  const args = ['--view', 'union', '--package', 'acme/app', '--wait']
  t.match(await fleet([slow], ...args), {
    code: 0,
    stderr: '0 of 1 services that follow union run its latest release and are up.\n',
    stdout: /1 of 1 services/,
  })
  t.equal(reads, 3)
  t.match(await fleet([await services(OLD_APP)], ...args, '--timeout', '1s'), { code: 124, stdout: /0 of 1/ })
  t.match(
    await fleet([await services(APP)], '--view', 'nowhere', '--wait', '--timeout', '0'),
    { code: 5 },
    'a failure of the first read ends the command, even after the time is over',
  )
})

test('fleet --prometheus prints metrics', async (t) => {
  const host = await services({ ...APP, service_group: 'a"b\\c' })
  const { stdout } = await fleet([host, '127.0.0.1:1'], '--prometheus', '--view', 'union')
  for (const line of [
    'hart_depot_fleet_gateways{state="unread"} 1',
    `hart_depot_fleet_service_up{host="${host}",group="a\\"b\\\\c"} 1`,
    `hart_depot_fleet_service_restarts{host="${host}",group="a\\"b\\\\c"} 2`,
    'hart_depot_fleet_converged{view="union"} 0',
  ])
    t.ok(stdout.split('\n').includes(line), line)
})

test('wrong hosts and options are named', async (t) => {
  t.strictSame(
    parseHosts('app1.example # the first\n\n10.0.0.7:80\n::1\n[::1]:7\nhttps://a.b:9/x/\napp1.example\n').map(
      ({ url }) => url,
    ),
    ['http://app1.example:9631', 'http://10.0.0.7', 'http://[::1]:9631', 'http://[::1]:7', 'https://a.b:9/x'],
  )
  for (const line of ['app 1', 'ftp://a', 'http://token@a', 'a:123456'])
    t.match(await fleet(['ok', line]), { code: 2, stderr: /-, line 2: / }, line)
  t.match(await fleet([]), { code: 2, stderr: /names no hosts/ })
  t.match(await fleet(['a'], '--wait'), { code: 2 })
  t.match(await fleet(['a'], '--parallel', '0'), { code: 2 })
  t.match(await fleet(['a'], '--view', 'union', '--package', 'app'), { code: 2 })
})
