import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { makeKeys } from '../../support/build-hart.ts'
import { commandsOn } from '../../support/command.ts'
import { startMoved } from '../../support/view-scene.ts'

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
