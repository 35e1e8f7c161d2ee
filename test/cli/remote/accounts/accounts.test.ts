import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey, formatSecretKey } from '../../../../src/hart/origin-key.ts'
import { readVersion } from '../../../../src/package-root.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { makeOrigin, publishAll } from '../../../support/origin.ts'
import { startDepot } from '../../../support/start-depot.ts'

const VERSION = readVersion()

async function start(t: Parameters<typeof startDepot>[0]) {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-accounts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const started = await startDepot(t, { listen: true })
  return { started, folder, run: commandsOn(started) }
}

test('accounts are added, listed, disabled and enabled over HTTP', async (t) => {
  const { started, run } = await start(t)
  t.match(await run(['account', 'add', 'ci', '--email', 'ci@example.com']), {
    code: 0,
    stdout: 'added the account ci\n',
  })
  t.match(await run(['account', 'add', 'ci']), { code: 3, stderr: /ci/ })
  t.match(await run(['account', 'list']), { code: 0, stdout: /^ci +- +ci@example\.com /m })
  t.match(await run(['account', 'list', '--quiet']), { code: 0, stdout: 'admin\nci\n' })
  const { stdout: token } = await run(['token', 'add', 'ci', '--quiet'])
  const ci = commandsOn(started, token.trim())
  t.match(await ci(['whoami', '--quiet']), { code: 0, stdout: 'ci\n' })
  await makeOrigin(started)
  await run(['origin', 'add-member', 'acme', 'ci', '--role', 'maintainer'])
  const { stdout: narrow } = await run([
    'token',
    'add',
    'ci',
    '--action',
    'read,upload',
    '--view',
    'union',
    '--quiet',
  ])
  t.match(await commandsOn(started, narrow.trim())(['whoami']), {
    stdout: /^ci on .*\nmaintainer of acme\ntoken 3, only for read,upload; views union\n$/,
  })
  t.match(await run(['whoami']), {
    stdout: /^admin on .*\nadministrator of the depot\nowner of acme\ntoken 1\n$/,
  })
  t.match(await run(['account', 'disable', 'ci']), { code: 0, stdout: /disabled ci/ })
  t.match(await ci(['whoami']), { code: 6 })
  t.match(await run(['account', 'enable', 'ci', '--json']), { code: 0, stdout: /"disabled_at": null/ })
  t.match(await ci(['account', 'list']), { code: 6 })
})

test('tokens are added, listed and revoked over HTTP, and only the secret is on stdout', async (t) => {
  const { started, run } = await start(t)
  await run(['account', 'add', 'ci'])
  const added = await run([
    'token',
    'add',
    'ci',
    '--label',
    'tests',
    '--action',
    'read,upload',
    '--expires',
    '8h',
  ])
  t.match(added, { code: 0, stdout: /^hart_\S+\n$/, stderr: /shown only now/ })
  const [id = ''] = /\d+/.exec(added.stderr) ?? []
  t.match(await run(['token', 'list', 'ci']), {
    code: 0,
    stdout: / tests +active until 2026-\S+ .* read,upload$/m,
  })
  const { stdout: narrow } = await run(['token', 'list', '--all'], { columns: 60, env: { NO_COLOR: '1' } })
  for (const line of narrow.split('\n')) t.ok(line.length <= 60, line)
  t.match(await run(['token', 'list', '--all', '--quiet']), { code: 0, stdout: new RegExp(`^1\\n${id}\\n$`) })
  t.match(await run(['token', 'list', 'ci', '--all']), { code: 2 })
  const ci = commandsOn(started, added.stdout.trim())
  t.match(await ci(['whoami', '--quiet']), { code: 0, stdout: 'ci\n' })
  t.match(await run(['token', 'revoke', id]), { code: 0, stdout: `revoked token ${id}\n` })
  t.match(await ci(['whoami']), { code: 6 })
  t.match(await run(['token', 'revoke', 'seven']), { code: 2, stderr: /token list/ })
  t.match(await run(['token', 'revoke', '99']), { code: 5 })
  t.match(await run(['token', 'add', 'ci', '--action', 'rule']), { code: 1, stderr: /read/ })
})

test('origins, their members and keys are shown and changed', async (t) => {
  const { started, folder, run } = await start(t)
  await started.account('jane')
  t.match(await run(['origin', 'create', 'beta', '--private']), { code: 0, stdout: /admin owns it/ })
  t.match(await run(['origin', 'create', 'beta']), { code: 3 })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101000000')
  t.match(await run(['origin', 'list']), { code: 0, stdout: /^beta +admin +private .* owner$/m })
  t.match(await run(['origin', 'list', '--member', '--quiet']), { code: 0, stdout: 'acme\nbeta\n' })
  t.match(await run(['origin', 'show', 'acme']), { code: 0, stdout: /^acme\/app +x86_64-linux$/m })
  t.match(await run(['origin', 'add-member', 'acme', 'jane', '--role', 'maintainer']), {
    code: 0,
    stdout: 'jane is maintainer of acme now\n',
  })
  t.match(await run(['origin', 'members', 'acme']), { code: 0, stdout: /^jane +maintainer$/m })
  t.match(await run(['origin', 'remove-member', 'acme', 'jane']), { code: 0 })
  t.match(await run(['origin', 'members', 'acme', '--quiet']), { code: 0, stdout: 'admin\n' })
  t.match(await run(['origin', 'delete', 'acme']), { code: 3 })
  t.match(await run(['origin', 'show', 'nowhere']), { code: 5 })

  const { publicKey, secretKey } = makeKeys('beta')
  const [file, secret] = [join(folder, 'beta.pub'), join(folder, 'beta.sig.key')]
  await writeFile(file, formatPublicKey(publicKey))
  await writeFile(secret, formatSecretKey(secretKey))
  const name = `beta-${publicKey.revision}`
  t.match(await run(['key', 'upload', secret]), { code: 2, stderr: /a secret key: nothing was sent/ })
  t.match(await run(['key', 'upload', file]), { code: 0, stdout: `beta has the key ${name}\n` })
  t.match(await run(['key', 'upload', file, '--quiet']), { code: 0, stdout: `${name}\n` }, 'repeated')
  t.match(await run(['key', 'list', 'beta', '--quiet']), { code: 0, stdout: `${name}\n` })
  for (const given of ['beta', name])
    t.match(await run(['key', 'download', given]), { code: 0, stdout: `${formatPublicKey(publicKey)}\n` })
  t.match(await run(['key', 'download', 'beta-20200101000000']), { code: 5 })
})

test('status and version tell what a depot is, and what a wrong server is not', async (t) => {
  const { started, run } = await start(t)
  t.match(await run(['status']), {
    code: 0,
    stdout: `${started.url} (HART_DEPOT_URL) is hart-depot ${VERSION}.\nIt is ready.\nYou are admin.\n`,
  })
  t.match(JSON.parse((await run(['status', '--json'])).stdout), {
    version: VERSION,
    ready: true,
    account: 'admin',
  })
  t.match(await run(['version']), {
    code: 0,
    stdout: `hart-depot ${VERSION}\n${started.url} is hart-depot ${VERSION}.\n`,
  })
  const env = { HOME: started.folder }
  t.match(await runCommand(['status', '--url', started.url], { env }), { code: 0, stdout: /no token/ })
  t.match(await runCommand(['version'], { env }), { code: 0, stdout: `hart-depot ${VERSION}\n` })
  for (const [status, body] of [
    [200, '<html>Welcome to nginx!</html>'],
    [404, ''],
    [404, '{"code":"not_found","detail":"no such route"}'],
    [200, '{}'],
  ] as const) {
    const server = createServer((_request, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const command of ['status', 'version'])
      t.match(await runCommand([command, '--url', url], { env }), {
        code: 7,
        stdout: '',
        stderr: /not a hart-depot/,
      })
  }
})

test('status says why a depot is not ready', async (t) => {
  const { started, run } = await start(t)
  await started.depot.close()
  const { code, stdout } = await run(['status'])
  t.equal(code, 1)
  t.match(stdout, /not ready.*\nIt reports: the database does not answer\.\n/)
  t.match(await run(['status', '--json']), { code: 1, stdout: /"ready": false/ })
})
