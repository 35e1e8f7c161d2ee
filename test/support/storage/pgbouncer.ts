import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { whenGone } from '../../../scripts/cluster/when-gone.ts'
import type { User } from '../../../scripts/cluster/when-gone.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'

/** PgBouncer, which must be installed, in transaction pooling mode before a server on loopback. */
export interface PgBouncer {
  readonly port: number
  /** Kills the process, and with it all connections. */
  kill(): Promise<void>
  /** Starts it again. Resolves once it accepts connections. */
  start(): Promise<void>
}

/** `poolSize` is the number of connections to the server for each database. */
export async function startPgBouncer(
  t: { teardown(fn: () => Promise<void>): unknown },
  to: number,
  poolSize: number,
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-pgbouncer-'))
  await chmod(folder, 0o755) // another user reads the file
  const port = await freePort()
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
* = host=127.0.0.1 port=${to} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
server_login_retry = 1
`,
  )
  let running: ChildProcess | undefined
  const kill = async () => {
    if (running === undefined) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    const child = spawn('pgbouncer', ['-q', file], {
      ...unprivilegedUser(),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    running = child
    const cancel = whenGone('kill -9 "$1"', [String(child.pid)])
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000)
    })
    child.once('exit', () => {
      cancel()
      running = undefined
    })
    await until('PgBouncer listens', async () => {
      if (running !== child) throw new Error(`PgBouncer ended: ${said}`)
      return accepts(port)
    })
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { port, kill, start }
}

/** PgBouncer refuses to run as root. */
function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'])))
  return { uid, gid }
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
