import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { bearer } from '../../../support/origin.ts'
import { runHere, runToEnd, scratchFolder, startServer } from '../../../support/run-cli.ts'
import type { RunningServer } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN } from '../../../support/start-depot.ts'

const GIVEN = { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }

test("the administrator's token is shown once and never logged, and a configured one is reported once", async (t) => {
  const folder = await scratchFolder(t)
  const first = await startServer(t, folder, { DEPOT_LOG_LEVEL: 'trace', DEPOT_WORKERS: '2' })
  const [, token = ''] = await first.hears('stdout', /^export HART_DEPOT_TOKEN=(\S+)$/m)
  await first.hears('stdout', /\/latest"\n/)
  t.equal((await createOrigin(first, token, 'acme')).status, 201)
  first.process.kill('SIGTERM')
  const { code, stdout, stderr } = await first.ended
  t.equal(code, 0)
  t.equal(stdout.split(token).length - 1, 1)
  t.notMatch(stderr, token)
  for (const line of stderr.trimEnd().split('\n'))
    t.match(
      JSON.parse(line),
      { level: /^[a-z]+$/, time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ },
      'the log of every thread is JSON lines',
    )
  t.match(stderr, `"msg":"listens on ${first.url}"`)
  t.notMatch(stderr, 'Server listening', 'fastify does not say it, too')

  // Then a token is configured.
  for (const reports of [1, 0]) {
    const server = await startServer(t, folder, GIVEN)
    t.equal((await createOrigin(server, ADMIN_TOKEN, `acme${reports}`)).status, 201)
    server.process.kill('SIGTERM')
    const later = await server.ended
    t.equal(later.stdout.split('DEPOT_ADMIN_TOKEN').length - 1, reports)
    t.equal(later.stderr.split('the administrator can now also use the token').length - 1, reports)
    t.notMatch(later.stdout, token)
    if (reports === 0) t.equal(later.stdout, `hart-depot listens on ${server.url}\n`)
  }
})

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

// Both tests use this server, and the last of them kills it.
const folder = await scratchFolder(tap)
const server = await startServer(tap, folder, GIVEN)

test('a second server on the same data or the same port fails with one line', async (t) => {
  const sameData = await runToEnd(['serve'], { DEPOT_DATA: folder })
  t.match(sameData, { code: 1, stdout: '', stderr: /^hart-depot: another hart-depot is running on .*\n$/ })
  const address = server.url.slice('http://'.length)
  const samePlace = await runToEnd(['serve'], { DEPOT_DATA: folder, DEPOT_LISTEN: address })
  t.match(samePlace, { code: 1, stdout: '', stderr: /^hart-depot: another hart-depot is running on .*\n$/ })
  const fresh = join(await scratchFolder(t), 'data')
  const samePort = await runToEnd(['serve'], {
    DEPOT_DATA: fresh,
    DEPOT_LISTEN: address,
    DEPOT_LOG_LEVEL: 'silent',
  })
  t.match(samePort, {
    code: 1,
    stdout: '',
    stderr: `hart-depot: cannot listen on ${address}: another program listens there\n`,
  })
  await t.rejects(stat(fresh), { code: 'ENOENT' }, 'neither a depot nor a token was created')
})

test('after kill -9, commands and a new server work at once', async (t) => {
  server.process.kill('SIGKILL')
  await server.ended
  t.ok((await readdir(folder)).includes('control.sock'), 'the socket is still there')
  t.match(await runHere(['account', 'add', 'other'], { DEPOT_DATA: folder }), { code: 0, stderr: '' })

  const next = await startServer(t, folder)
  const { stdout } = await runHere(['token', 'add', 'other'], { DEPOT_DATA: folder })
  t.equal((await createOrigin(next, stdout.trim(), 'last')).status, 201)
})

function createOrigin({ url }: RunningServer, token: string, name: string) {
  return ask(`${url}/v1/depot/origins`, {
    method: 'POST',
    headers: bearer(token),
    body: JSON.stringify({ name }),
  })
}

test('a server that cannot begin ends, and says why', async (t) => {
  const environment = {
    DEPOT_DATA: await scratchFolder(t),
    DEPOT_UPSTREAM: 'http://127.0.0.1:9',
    DEPOT_UPSTREAM_ORIGINS: 'core',
    DEPOT_UPSTREAM_TOKEN_FILE: '/nowhere',
  }
  t.match(await runToEnd(['serve'], environment), { code: 1, stderr: /DEPOT_UPSTREAM_TOKEN_FILE names/ })
})
