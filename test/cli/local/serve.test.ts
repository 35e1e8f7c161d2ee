import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { urlOf } from '../../../src/cli/local/url.ts'
import { ask } from '../../support/ask.ts'
import { bearer } from '../../support/origin.ts'
import { runHere, scratchFolder, startServer } from '../../support/run-cli.ts'
import type { RunningServer } from '../../support/run-cli.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

// The real server, in a process of its own. serve.slow.ts and stop.slow.ts test more of it.

test('a server with two HTTP threads accepts a new token, refuses a revoked one at once, prints none that it was given, and ends after SIGTERM', async (t) => {
  const folder = await scratchFolder(t)
  const server = await startServer(t, folder, { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN, DEPOT_WORKERS: '2' })
  t.equal((await stat(join(folder, 'control.sock'))).mode & 0o777, 0o600)
  t.match(await runHere(['account', 'add', 'ci'], { DEPOT_DATA: folder }), { code: 0, stderr: '' })
  const issued = await runHere(['token', 'add', 'ci'], { DEPOT_DATA: folder })
  const token = issued.stdout.trim()
  t.equal((await createOrigin(server, token, 'first')).status, 201)
  t.match(await runHere(['token', 'add', 'ci', '--origin', 'first'], { DEPOT_DATA: folder }), { code: 0 })
  t.match(await runHere(['token', 'add', 'ci', '--origin', 'frist'], { DEPOT_DATA: folder }), {
    code: 5,
    stderr: 'hart-depot: there is no origin "frist"; did you mean first?\n',
  })

  const { stdout } = await runHere(['token', 'list', 'ci', '--json'], { DEPOT_DATA: folder })
  const [listed] = JSON.parse(stdout) as { id: number }[]
  t.match(await runHere(['token', 'revoke', String(listed?.id)], { DEPOT_DATA: folder }), { code: 0 })
  t.equal((await createOrigin(server, token, 'second')).status, 401)
  t.match(
    await runHere(['account', 'add', 'ci'], { DEPOT_DATA: folder }),
    { code: 3, stderr: 'hart-depot: the account "ci" exists already\n' },
    'refusals of the server reach the command line',
  )
  await server.hears('stdout', /\/latest"\n/)
  t.notMatch(server.stdout(), ADMIN_TOKEN)
  t.equal((await createOrigin(server, ADMIN_TOKEN, 'acme')).status, 201)
  server.process.kill('SIGTERM')
  t.match(await server.ended, { code: 0, signal: null })
  t.notOk((await readdir(folder)).includes('control.sock'))
})

test('urlOf returns an address that this machine can reach', async (t) => {
  t.equal(urlOf('0.0.0.0', 80), 'http://127.0.0.1:80')
  t.equal(urlOf('::', 80), 'http://[::1]:80')
  t.equal(urlOf('fd00::7', 9636), 'http://[fd00::7]:9636')
  t.equal(urlOf('depot.example', 9636), 'http://depot.example:9636')
})

function createOrigin({ url }: RunningServer, token: string, name: string) {
  return ask(`${url}/v1/depot/origins`, {
    method: 'POST',
    headers: bearer(token),
    body: JSON.stringify({ name }),
  })
}
