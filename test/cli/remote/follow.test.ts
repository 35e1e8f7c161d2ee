import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { placeInSpread } from '../../../src/cli/follow/machine.ts'
import { serveServices } from '../../../src/cli/follow/services.ts'
import { StateFolder } from '../../../src/cli/follow/state.ts'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { makeKeys } from '../../support/build-hart.ts'
import { commandsOn, runCommand } from '../../support/command.ts'
import type { CommandOptions } from '../../support/command.ts'
import { NEW, OLD, startMoved } from '../../support/view-scene.ts'

const { started } = await startMoved(tap)
const run = commandsOn(started)

interface Event {
  readonly event: string
  readonly ident?: string
  readonly detail?: string
  readonly until?: string
}

/** Makes a machine: a folder with a key, a state and a hook that notes what it was given. */
function makeMachine(t: Test, script = 'exit 0', view = 'union') {
  const folder = t.testdir({})
  const [key, hook, notes, state] = ['key.pub', 'hook.sh', 'notes', 'state'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string]
  writeFileSync(key, formatPublicKey(makeKeys('acme').publicKey))
  const setHook = (text: string) => {
    writeFileSync(hook, `#!/bin/sh\necho "$1 $2 $HART_DEPOT_PREVIOUS" >> ${notes}\n${text}\n`)
    chmodSync(hook, 0o755)
  }
  setHook(script)
  const args = [
    'follow',
    'acme/app',
    '--view',
    view,
    '--exec',
    hook,
    '--state',
    state,
    '--target',
    'x86_64-linux',
  ]
  const env = { HOME: folder }
  return {
    key,
    setHook,
    files: join(state, 'acme-app-x86_64-linux'),
    notes: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n') : []),
    once: async (...more: readonly string[]) => run([...args, '--key', key, '--once', ...more], { env }),
    /** Follows until `isEnough` says so of an event. */
    follow: async (
      isEnough: (event: Event) => unknown,
      more: readonly string[] = [],
      options: CommandOptions = {},
    ) => {
      const stop = new AbortController()
      const events: Event[] = []
      const result = await run([...args, '--key', key, '--json', ...more], {
        ...options,
        env: { ...env, ...options.env },
        signal: stop.signal,
        onOutput: (line) => {
          const event = JSON.parse(line) as Event
          events.push(event)
          if (isEnough(event)) stop.abort('SIGTERM')
        },
      })
      return { ...result, events }
    },
    args,
    env,
  }
}

test('follow --once gives the latest release to the hook, once, and a lower one after a rollback', async (t) => {
  const machine = makeMachine(t)
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
  const machine = makeMachine(t, 'exit 3')
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

test('a hook that is missing or prints a lot of binary is no trouble', async (t) => {
  const missing = makeMachine(t)
  t.match(
    await run([...missing.args, '--key', missing.key, '--once', '--exec', '/nowhere/x'], {
      env: missing.env,
    }),
    {
      code: 1,
      stderr: /\/nowhere\/x cannot be run/,
    },
  )
  const loud = makeMachine(t, 'head -c 1000000 /dev/zero')
  t.match(await loud.once(), { code: 0 })
})

test('follow sees the moves of the view, and ends at a signal', async (t) => {
  const machine = makeMachine(t)
  const seen: string[] = []
  const { events } = await machine.follow(({ event, ident = '' }) => {
    if (event !== 'running') return false
    seen.push(ident)
    if (seen.length < 3) void run(['promote', 'union', seen.length === 1 ? OLD : NEW])
    return seen.length === 3
  })
  t.strictSame(seen, [NEW, OLD, NEW])
  t.notOk(events.some(({ event }) => event === 'trouble'))
})

test('a hook that a signal interrupts is ended, and runs again at the next start', async (t) => {
  const machine = makeMachine(t, 'exec sleep 1000')
  t.match(await machine.follow(({ event }) => event === 'updating'), {
    code: 143,
    events: [{ event: 'updating' }],
  })
  machine.setHook('exit 0')
  t.match(await machine.once(), { code: 0, stdout: `${NEW} runs.\n` })
  t.equal(machine.notes().at(-1)?.startsWith(NEW), true)
})

test('a release that no trusted key has signed is not given to the hook', async (t) => {
  const machine = makeMachine(t)
  t.match(await run([...machine.args, '--once'], { env: machine.env }), { code: 1, stderr: /does not trust/ })
  const { publicKey } = makeKeys('other')
  writeFileSync(machine.key, formatPublicKey({ ...publicKey, ...nameOf(makeKeys('acme').publicKey) }))
  t.match(await machine.once(), { code: 1, stderr: /signature/ })
  t.strictSame(machine.notes(), [])
  t.strictSame(readdirSync(machine.files), [], 'nothing is left')
  const cache = join(dirname(machine.key), '.hab/cache/keys')
  mkdirSync(cache, { recursive: true })
  const key = makeKeys('acme').publicKey
  writeFileSync(join(cache, `acme-${key.revision}.pub`), formatPublicKey(key))
  t.match(await run([...machine.args, '--once'], { env: machine.env }), { code: 0 }, 'as hab keeps keys')
})

function nameOf({ origin, revision }: { origin: string; revision: string }) {
  return { origin, revision }
}

test('an outage of the depot is waited for, and missing rights and views are not', async (t) => {
  const machine = makeMachine(t)
  const away = await machine.follow(({ event }) => event === 'trouble', [], {
    env: { HART_DEPOT_URL: 'http://127.0.0.1:1' },
  })
  t.match(away, { code: 143, events: [{ detail: /cannot be reached/ }] })
  t.match(await makeMachine(t, '', 'nowhere').once(), { code: 5 })
  const wrong = await machine.follow(() => false, [], { env: { HART_DEPOT_TOKEN: 'wrong' } })
  t.match(wrong, { code: 6 })
  const empty = makeMachine(t, '', 'rehearsal')
  t.match((await empty.follow(({ event }) => event === 'nothing')).events, [{ detail: /has no release/ }])
})

test('with --spread, a machine follows at its own time after the move', async (t) => {
  await run(['promote', 'union', OLD])
  await run(['promote', 'union', NEW])
  const moved = started.depot.now()
  const machine = makeMachine(t)
  const early = await machine.follow(({ event }) => event === 'waiting', ['--spread', '10m'], { now: moved })
  const until = Date.parse(early.events[0]?.until ?? '')
  t.ok(until >= moved - 1_000 && until <= moved + 600_000)
  t.strictSame(machine.notes(), [])
  const later = await machine.follow(({ event }) => event === 'running', ['--spread', '10m'], { now: until })
  t.match(later.events, [{ event: 'updating' }, { event: 'running' }])
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
  const machine = makeMachine(t)
  const serve = async () => {
    const folder = await StateFolder.open(machine.files)
    const source = { depotUrl: started.url, view: 'union' }
    const server = await serveServices({ host: '127.0.0.1', port: 0 }, folder, source)
    t.teardown(() => server.close())
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
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
  const machine = makeMachine(t)
  for (const wrong of [
    ['--target', 'vax'],
    ['--spread', 'long'],
    ['--listen', 'x:y:z'],
    ['--hook-timeout', '-1'],
  ])
    t.match(await machine.once(...wrong), { code: 2 }, wrong.join(' '))
  t.match(await runCommand(['follow', 'app', '--view', 'v', '--exec', 'x']), { code: 2 })
  t.notOk(existsSync(machine.files))
})
