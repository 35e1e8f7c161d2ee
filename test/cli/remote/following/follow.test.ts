import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import tap, { test } from 'tap'
import { placeInSpread } from '../../../../src/cli/follow/machine.ts'
import { serveServices } from '../../../../src/cli/follow/services.ts'
import { StateFolder, filesToKeep } from '../../../../src/cli/follow/state.ts'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { startProxy } from '../../../support/http/proxy.ts'
import { makeMachine } from '../../../support/copies/machine.ts'
import { NEW, OLD, startMoved } from '../../../support/views/view-scene.ts'

const { started } = await startMoved(tap)
const run = commandsOn(started)

test('follow --once gives the latest release to the hook, once, and a lower one after a rollback', async (t) => {
  const machine = makeMachine(t, started)
  const fileOf = (ident: string) => join(machine.files, `${ident.replaceAll('/', '-')}-x86_64-linux.hart`)
  t.match(await machine.once(), { code: 0, stdout: `${NEW} runs.\n` })
  t.match(await machine.once(), { code: 0, stdout: '' })
  await run(['promote', 'union', OLD])
  t.match(await machine.once('--quiet'), { code: 0, stdout: `${OLD}\n`, stderr: '' })
  await run(['promote', 'union', NEW])
  t.strictSame(machine.notes(), [`${NEW} ${fileOf(NEW)} `, `${OLD} ${fileOf(OLD)} ${NEW}`])
  t.ok(existsSync(fileOf(NEW)) && existsSync(fileOf(OLD)), 'the release before is kept')
})

test('a hook that fails is run again, without another download, until it succeeds', async (t) => {
  const machine = makeMachine(t, started, { script: 'exit 3' })
  t.match(await machine.once(), { code: 1, stderr: /exit code 3/ })
  machine.setHook(`[ "$(wc -l < "$(dirname "$0")/notes")" -ge 3 ]`)
  const { events, code } = await machine.follow(({ event }) => event === 'running')
  t.equal(code, 143)
  t.strictSame(
    events.map(({ event }) => event),
    ['updating', 'failed', 'trouble', 'updating', 'running'],
  )
  t.equal(machine.notes().length, 3)
})

test('follow sees the moves of the view, and ends at a signal', async (t) => {
  const machine = makeMachine(t, started)
  const seen: string[] = []
  const { events, stderr } = await machine.follow(({ event, ident = '' }) => {
    if (event !== 'running') return false
    seen.push(ident)
    if (seen.length < 3) void run(['promote', 'union', seen.length === 1 ? OLD : NEW])
    return seen.length === 3
  })
  t.strictSame(seen, [NEW, OLD, NEW])
  t.match(stderr, /^Following acme\/app in union of http.* No release was given/, 'said before any event')
  t.notOk(events.some(({ event }) => event === 'trouble'))
})

test('a second follower of the same folder is refused', async (t) => {
  const machine = makeMachine(t, started)
  const first = await StateFolder.open(machine.files)
  t.match(await machine.once(), { code: 1, stderr: /another hart-depot follow .*--state/ })
  first.close()
  t.match(await machine.once(), { code: 0 })
})

test('the folder of another package is refused, whose name only looks the same', async (t) => {
  const machine = makeMachine(t, started)
  const folder = await StateFolder.open(machine.files)
  const ident = 'acme-app/x86/1.0.0/20260101000000'
  const given = { ident, target: 'x86_64-linux', checksum: '0'.repeat(64), file: 'x.hart' }
  const since = new Date().toISOString()
  await folder.write({ ...given, status: 'running', since, attempts: 1, previousFile: null })
  folder.close()
  t.match(await machine.once(), { code: 2, stderr: /has the state of acme-app\/x86.*--state/ })
  t.strictSame(machine.notes(), [])
})

test('a damaged state counts as absent', async (t) => {
  for (const text of ['{"ident":', 'null', '{}']) {
    const machine = makeMachine(t, started)
    mkdirSync(machine.files, { recursive: true })
    writeFileSync(join(machine.files, 'state.json'), text)
    t.match(await machine.once(), { code: 0, stdout: `${NEW} runs.\n` }, text)
  }
})

test('a latest release that is deleted before it is downloaded is looked for again', async (t) => {
  const machine = makeMachine(t, started)
  const body = JSON.stringify({ status: 404, code: 'not_found', detail: 'there is no such release' })
  const { url } = await startProxy(t, started.url, (asked, nth) =>
    asked.startsWith(`GET /api/v1/releases/${NEW}`) && nth === 1 ? { status: 404, body } : 'pass',
  )
  const { events, code } = await machine.follow(({ event }) => event === 'running', ['--url', url])
  t.equal(code, 143)
  t.match(events, [{ event: 'trouble', detail: /there is no such release/ }, { event: 'updating' }])
})

test('a hook that a signal interrupts is ended, and runs again at the next start', async (t) => {
  const machine = makeMachine(t, started, { script: 'exec sleep 1000' })
  t.match(await machine.follow(({ event }) => event === 'updating'), {
    code: 143,
    events: [{ event: 'updating' }],
  })
  machine.setHook('exit 0')
  t.match(await machine.once(), { code: 0, stdout: `${NEW} runs.\n` })
  t.equal(machine.notes().at(-1)?.startsWith(NEW), true)
})

test('a release that no trusted key has signed is not given to the hook', async (t) => {
  const machine = makeMachine(t, started)
  t.match(await run([...machine.args, '--once'], { env: machine.env }), { code: 1, stderr: /does not trust/ })
  const { publicKey } = makeKeys('other')
  writeFileSync(machine.key, formatPublicKey({ ...publicKey, ...nameOf(makeKeys('acme').publicKey) }))
  t.match(await machine.once(), { code: 1, stderr: /signature/ })
  t.strictSame(machine.notes(), [])
  const [part, ...others] = readdirSync(machine.files)
  t.match(part, /\.hart\.part$/, 'the next attempt need not download it again')
  t.strictSame(others, ['lock.sqlite'])
  const cache = join(dirname(machine.key), '.hab/cache/keys')
  mkdirSync(cache, { recursive: true })
  const key = makeKeys('acme').publicKey
  writeFileSync(join(cache, `acme-${key.revision}.pub`), formatPublicKey(key))
  t.match(await run([...machine.args, '--once'], { env: machine.env }), { code: 0 }, 'as hab keeps keys')
})

function nameOf({ origin, revision }: { origin: string; revision: string }) {
  return { origin, revision }
}

test('a full disk removes neither the release that runs nor the one that failed', async (t) => {
  const common = { ident: NEW, target: 'x86_64-linux', checksum: '', since: '', attempts: 1 }
  const state = { ...common, file: 'new.hart', previousFile: 'old.hart' }
  t.strictSame(filesToKeep({ ...state, status: 'failed' }), ['new.hart', 'old.hart'])
  t.strictSame(filesToKeep({ ...state, status: 'running' }), ['new.hart', 'new.hart'])
  t.strictSame(filesToKeep(undefined), [null, null])
})

test('places in the spread are stable, and evenly distributed over machines', async (t) => {
  const places = Array.from({ length: 1_000 }, (_, machine) => placeInSpread(String(machine), 'acme/app'))
  t.equal(placeInSpread('7', 'acme/app'), places[7])
  t.not(placeInSpread('7', 'acme/web'), places[7])
  for (const quarter of [0, 1, 2, 3]) {
    const count = places.filter((place) => Math.floor(place * 4) === quarter).length
    t.ok(count > 200 && count < 300, `${count} in quarter ${quarter}`)
  }
})

test('fleet reads a follower like a Supervisor', async (t) => {
  const machine = makeMachine(t, started)
  const serve = async () => {
    const folder = await StateFolder.open(machine.files)
    const source = { depotUrl: started.url, view: 'union' }
    const server = await serveServices({ host: '127.0.0.1', port: 0 }, folder, source)
    t.teardown(() => server.close())
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    folder.close()
    return run(['fleet', '--hosts', '-', '--view', 'union', '--json'], { stdin: host })
  }
  t.match(JSON.parse((await serve()).stdout), { services: [], summary: { unread: 0 } })
  await machine.once()
  t.match(JSON.parse((await serve()).stdout), {
    services: [{ ident: NEW, status: 'current', health: 'ok', follows_rollback: true }],
    summary: { is_converged: true },
  })
})

test('wrong arguments are refused before anything is made', async (t) => {
  const machine = makeMachine(t, started)
  for (const wrong of [
    ['--target', 'vax'],
    ['--spread', 'long'],
    ['--listen', 'x:y:z'],
    ['--hook-timeout', '-1'],
  ])
    t.match(await machine.once(...wrong), { code: 2 }, wrong.join(' '))
  for (const [wrong, sentence] of [
    [['--exec', 'nosuch.sh'], /no file .*nosuch\.sh/],
    [['--exec', machine.key], /chmod \+x/],
    [['--key', 'nosuch.pub'], /there is no .*nosuch\.pub/],
    [['--key', 'README.md'], /README\.md is not a public key file/],
  ] as const)
    t.match(await machine.once(...wrong), { code: 2, stderr: sentence }, wrong.join(' '))
  t.match(await runCommand(['follow', 'app', '--view', 'v', '--exec', 'x']), { code: 2 })
  t.notOk(existsSync(machine.files))
})
