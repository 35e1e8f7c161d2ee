import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { test } from 'tap'
import { run as runCommand, scratchFolder } from '../support/run-cli.ts'

// The units of systemd, checked by systemd's own programs, which need no running systemd: `npm run test:deploy`.

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const SYSTEMD = join(ROOT, 'deploy/systemd')
const LAUNCH = join(ROOT, 'launch')
/** Tenths of the exposure level of systemd-analyze, from 0 to 100. The highest that systemd calls OK is 49. */
const MAX_EXPOSURE = 20

test('systemd accepts the units, and calls their exposure low', async (t) => {
  const folder = await scratchFolder(t)
  const names = (await readdir(SYSTEMD)).filter((name) => /\.(service|timer)$/.test(name))
  for (const name of names) {
    const written = await readFile(join(SYSTEMD, name), 'utf8')
    await writeFile(
      join(folder, name),
      written.replace(/^ExecStart=\/usr\/bin\/hart-depot/m, `ExecStart=${LAUNCH}`),
    )
  }
  const units = names.map((name) => join(folder, name))
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', ...units])
  t.equal(`${stdout}${stderr}`, '')
  for (const unit of units.filter((name) => name.endsWith('.service'))) {
    const options = ['--offline=true', '--no-pager', `--threshold=${MAX_EXPOSURE}`]
    await t.resolves(run('systemd-analyze', ['security', ...options, unit]), unit)
  }
  const [unit = ''] = units.filter((name) => name.endsWith('hart-depot.service'))
  await writeFile(unit, (await readFile(unit, 'utf8')).replace('NoNewPrivileges=yes', 'NoNewPrivilege=yes'))
  const misspelt: unknown = await run('systemd-analyze', ['verify', '--man=no', unit]).catch(
    (error: unknown) => error,
  )
  t.match(misspelt, { stderr: /NoNewPrivilege/ })
})

test('systemd makes the user that the unit names', async (t) => {
  const { stdout, stderr } = await run('systemd-sysusers', [
    '--dry-run',
    join(SYSTEMD, 'hart-depot.sysusers'),
  ])
  t.match(`${stdout}${stderr}`, /user 'hart-depot'|^$/)
  t.match(await readFile(join(SYSTEMD, 'hart-depot.service'), 'utf8'), /^User=hart-depot$/m)
})

/** Receives two datagrams: the message, and the barrier with which systemd-notify waits for it. */
const RECEIVER = `use Socket; socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die; bind($socket, sockaddr_un($ARGV[0])) or die; $| = 1;
print "bound\\n"; for (1 .. 2) { recv($socket, my $message, 4096, 0); print $message, "\\n" }`

test('serve tells systemd that it is ready', async (t) => {
  const folder = await scratchFolder(t)
  const socket = join(folder, 'notify')
  const receiver = spawn('perl', ['-e', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => receiver.kill())
  await once(receiver.stdout, 'readable')
  const server = runCommand(['serve'], {
    DEPOT_DATA: join(folder, 'data'),
    DEPOT_LISTEN: '127.0.0.1:0',
    NOTIFY_SOCKET: socket,
  })
  t.match(await text(receiver.stdout), /^bound\nREADY=1\nSTATUS=listens on http:\/\/127\.0\.0\.1:\d+\n/)
  server.process.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})
