import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { makeKeys } from '../../support/build-hart.ts'
import { commandsOn } from '../../support/command.ts'
import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { NEW, OLD, startMoved } from '../../support/view-scene.ts'

test('a hook that never ends is killed with its children', async (t) => {
  const { started } = await startMoved(t)
  const folder = t.testdir({})
  const [key, hook, pids] = [join(folder, 'key.pub'), join(folder, 'hook.sh'), join(folder, 'pids')]
  writeFileSync(key, formatPublicKey(makeKeys('acme').publicKey))
  // The child ignores SIGTERM, so that only SIGKILL ends it.
  writeFileSync(
    hook,
    `#!/bin/sh\n(trap '' TERM; exec sleep 1000) &\necho $! > ${pids}\necho $$ >> ${pids}\nwait\n`,
  )
  chmodSync(hook, 0o755)
  const args = ['acme/app', '--view', 'union', '--exec', hook, '--key', key, '--state', join(folder, 'state')]
  const result = await commandsOn(started)([
    'follow',
    ...args,
    '--once',
    '--hook-timeout',
    '1s',
    '--target',
    'x86_64-linux',
  ])
  t.match(result, { code: 1, stderr: /took longer than 1 s/ })
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
function makeRoad(url: string) {
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
  const folder = t.testdir({})
  const [key, hook] = [join(folder, 'key.pub'), join(folder, 'hook.sh')]
  writeFileSync(key, formatPublicKey(makeKeys('acme').publicKey))
  writeFileSync(hook, '#!/bin/sh\n')
  chmodSync(hook, 0o755)
  const road = makeRoad(started.url)
  t.teardown(() => road.close())
  const url = await road.open()
  const stop = new AbortController()
  const seen: string[] = []
  const args = ['acme/app', '--view', 'union', '--exec', hook, '--key', key, '--state', join(folder, 'state')]
  const result = await commandsOn(started)(
    ['follow', ...args, '--target', 'x86_64-linux', '--url', url, '--json'],
    {
      signal: stop.signal,
      onOutput: (line) => {
        const { event, ident = '' } = JSON.parse(line) as { event: string; ident?: string }
        const isFirstTrouble = event === 'trouble' && !seen.includes(event)
        if (event !== 'trouble' || isFirstTrouble) seen.push(`${event} ${ident}`.trim())
        if (event === 'running' && ident === NEW) road.close()
        if (isFirstTrouble) void commandsOn(started)(['promote', 'union', OLD]).then(() => road.open())
        if (event === 'running' && ident === OLD) stop.abort('SIGTERM')
      },
    },
  )
  t.equal(result.code, 143)
  t.strictSame(seen, [`updating ${NEW}`, `running ${NEW}`, 'trouble', `updating ${OLD}`, `running ${OLD}`])
})
