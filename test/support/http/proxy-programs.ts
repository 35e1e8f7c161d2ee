import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'

// Starts nginx and Caddy, which must be installed, with a configuration in a temporary folder.

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

/**
 * Starts nginx with the contents of its `http` block, which `configure` makes for a free port. Resolves with
 * the port when nginx accepts connections there.
 */
export async function startNginx(
  t: Teardown,
  configure: (port: number) => string | Promise<string>,
): Promise<number> {
  const folder = await makeFolder(t)
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const file = join(folder, 'nginx.conf')
  await mkdir(join(folder, 'logs'))
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; ${paths.join(' ')} ${await configure(port)} }
`,
  )
  await start(t, port, 'nginx', ['-p', folder, '-c', file, '-e', 'stderr'])
  return port
}

/** Starts Caddy with a Caddyfile, which `configure` makes for a free port. Resolves like {@link startNginx}. */
export async function startCaddy(t: Teardown, configure: (port: number) => string): Promise<number> {
  const folder = await makeFolder(t)
  const port = await freePort()
  const file = join(folder, 'Caddyfile')
  const options = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tgrace_period 1s\n\tstorage file_system ${folder}\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n`
  await writeFile(file, options + configure(port))
  const environment = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  await start(t, port, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], environment)
  return port
}

async function makeFolder(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-proxy-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function start(
  t: Teardown,
  port: number,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  await until(`${program} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`)
    return accepts(port)
  })
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
