import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { makeMachine } from '../../../support/copies/machine.ts'
import { NEW, OLD, startMoved } from '../../../support/views/view-scene.ts'

test('a hook that never ends is killed with its children', async (t) => {
  const { started } = await startMoved(t)
  const machine = makeMachine(t, started)
  const pids = join(dirname(machine.key), 'pids')
  // The child ignores SIGTERM, so that only SIGKILL ends it.
  machine.setHook(`(trap '' TERM; exec sleep 1000) &\necho $! > ${pids}\necho $$ >> ${pids}\nwait`)
  t.match(await machine.once('--hook-timeout', '1s'), { code: 1, stderr: /took longer than 1 s/ })
  const processes = readFileSync(pids, 'utf8').trim().split('\n')
  t.equal(processes.length, 2)
  for (const pid of processes) t.ok(isGone(pid), `process ${pid} is gone`)
})

/** A killed process may wait for a moment until its parent, or init, has read how it ended. */
function isGone(pid: string): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return true
  return /^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** Forwards connections to a server, while it is open. */
function makeForwarder(url: string) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const other = connect(Number(new URL(url).port), '127.0.0.1')
    for (const one of [socket, other]) {
      sockets.add(one)
      one.on('error', () => undefined).on('close', () => sockets.delete(one))
    }
    socket.pipe(other).pipe(socket)
  })
  let port = 0
  return {
    async open(): Promise<string> {
      await new Promise<void>((done) => {
        server.listen(port, '127.0.0.1', done)
      })
      ;({ port } = server.address() as AddressInfo)
      return `http://127.0.0.1:${port}`
    },
    close(): void {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('what moves while the depot cannot be reached is followed afterwards', async (t) => {
  const { started } = await startMoved(t)
  const machine = makeMachine(t, started)
  const forwarder = makeForwarder(started.url)
  t.teardown(() => forwarder.close())
  const url = await forwarder.open()
  const seen: string[] = []
  const { code } = await machine.follow(
    ({ event, ident = '' }) => {
      const isFirstTrouble = event === 'trouble' && !seen.includes(event)
      if (event !== 'trouble' || isFirstTrouble) seen.push(`${event} ${ident}`.trim())
      if (event === 'running' && ident === NEW) forwarder.close()
      if (isFirstTrouble) void commandsOn(started)(['promote', 'union', OLD]).then(() => forwarder.open())
      return event === 'running' && ident === OLD
    },
    ['--url', url],
  )
  t.equal(code, 143)
  t.strictSame(seen, [`updating ${NEW}`, `running ${NEW}`, 'trouble', `updating ${OLD}`, `running ${OLD}`])
})

test('a hook that is missing or prints a lot of binary is no trouble', async (t) => {
  const { started } = await startMoved(t)
  const missing = makeMachine(t, started)
  writeFileSync(join(dirname(missing.key), 'hook.sh'), '#!/nowhere/sh\n')
  const { code, stderr } = await missing.once()
  t.equal(code, 1)
  t.equal(stderr.split('cannot be run: the program, or the interpreter').length, 2, 'it is said once')
  const loud = makeMachine(t, started, { script: 'head -c 1000000 /dev/zero' })
  t.match(await loud.once(), { code: 0 })
})

test('an outage of the depot is waited for, and missing rights and views are not', async (t) => {
  const { started } = await startMoved(t)
  const machine = makeMachine(t, started)
  const away = await machine.follow(({ event }) => event === 'trouble', [], {
    env: { HART_DEPOT_URL: 'http://127.0.0.1:1' },
  })
  t.match(away, { code: 143, events: [{ detail: /cannot be reached/ }] })
  t.match(await makeMachine(t, started, { view: 'nowhere' }).once(), { code: 5 })
  const wrong = await machine.follow(() => false, [], { env: { HART_DEPOT_TOKEN: 'wrong' } })
  t.match(wrong, { code: 6 })
  const empty = makeMachine(t, started, { view: 'rehearsal' })
  t.match((await empty.follow(({ event }) => event === 'nothing')).events, [{ detail: /has no release/ }])
})

test('with --spread, a machine follows at its own time after the move', async (t) => {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  await run(['promote', 'union', OLD])
  await run(['promote', 'union', NEW])
  const moved = started.depot.now()
  const machine = makeMachine(t, started)
  const early = await machine.follow(({ event }) => event === 'waiting', ['--spread', '10m'], { now: moved })
  const until = Date.parse(early.events[0]?.until ?? '')
  t.ok(until >= moved - 1_000 && until <= moved + 600_000)
  t.strictSame(machine.notes(), [])
  const later = await machine.follow(({ event }) => event === 'running', ['--spread', '10m'], {
    now: until + 1_000,
  })
  t.match(later.events, [{ event: 'updating' }, { event: 'running' }])
})
