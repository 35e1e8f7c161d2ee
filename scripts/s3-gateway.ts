import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../test/support/free-port.ts'

// Starts Ceph's S3 gateway with a cluster of its own: one monitor, one manager, and one store that keeps its
// bytes in memory. All of it listens on loopback, and is gone when it stops. For tests, benches and `npm run
// cluster`. It needs root and Debian's packages, and installs nothing: apt-get install
// --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-common
//
//   npm run s3-gateway    starts a gateway, prints the settings for a depot, and stops at Ctrl-C

export interface S3Gateway {
  readonly endpoint: string
  readonly region: string
  /** Of a user who may create buckets. */
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The settings and credentials with which a depot reaches the gateway. */
  readonly environment: Readonly<Record<string, string>>
  /** Runs `radosgw-admin`, and resolves with its output. */
  admin(...args: readonly string[]): Promise<string>
  /** Kills the gateway with SIGKILL. Its cluster and all stored bytes stay. */
  kill(): Promise<void>
  /** Starts the gateway again on the same port, after {@link kill}. Resolves when it answers. */
  start(): Promise<void>
  /** Stops everything and removes the folder. The same happens when this process dies. */
  stop(): Promise<void>
}

const run = promisify(execFile)

const USER = { uid: 'depot', accessKeyId: 'depotkey', secretAccessKey: 'depotsecret' } as const
const REGION = 'us-east-1'
const STORE_BYTES = 4 * 1024 ** 3
const STEP_MS = 60_000
const ANSWER_MS = 30_000
const POLL_MS = 100
/** What each part of the cluster may do. The gateway refuses to start in a cluster without keys. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  'mon.': ['mon', 'allow *'],
  'client.admin': ['mon', 'allow *', 'osd', 'allow *', 'mgr', 'allow *'],
  'osd.0': ['mon', 'allow profile osd', 'mgr', 'allow profile osd', 'osd', 'allow *'],
  'mgr.x': ['mon', 'allow profile mgr', 'osd', 'allow *'],
  'client.rgw': ['mon', 'allow rw', 'osd', 'allow rwx', 'mgr', 'allow rw'],
}
/**
 * Runs until its standard input ends, which is when its parent stops the cluster or dies. Then kills the
 * processes that have a file in the folder, and removes the folder. Ctrl-C reaches the parent, which decides.
 */
const GUARD = `trap '' INT TERM HUP
cat > /dev/null
for file in "$0"/*.pid; do kill -9 "$(cat "$file")" 2> /dev/null; done
sleep 0.2
rm -rf "$0"`

/**
 * Starts a cluster with a gateway, and resolves when the gateway answers. Rejects if Debian's packages are
 * missing.
 */
export async function startS3Gateway(): Promise<S3Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-s3-'))
  const guard = spawn('sh', ['-c', GUARD, folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const stop = async () => {
    if (guard.exitCode !== null) return
    const ended = once(guard, 'exit')
    guard.stdin?.end()
    await ended
  }
  try {
    const [port, monitorPort] = [await freePort(), await freePort()]
    const cluster = new Cluster(folder)
    await cluster.start({ port, monitorPort })
    const endpoint = `http://127.0.0.1:${port}`
    let gateway = await startAnswering(cluster, endpoint)
    await cluster.admin(
      'user',
      'create',
      `--uid=${USER.uid}`,
      '--display-name=depot',
      `--access-key=${USER.accessKeyId}`,
      `--secret-key=${USER.secretAccessKey}`,
    )
    return {
      endpoint,
      region: REGION,
      accessKeyId: USER.accessKeyId,
      secretAccessKey: USER.secretAccessKey,
      environment: {
        DEPOT_S3_ENDPOINT: endpoint,
        DEPOT_S3_REGION: REGION,
        DEPOT_S3_PATH_STYLE: 'on',
        AWS_ACCESS_KEY_ID: USER.accessKeyId,
        AWS_SECRET_ACCESS_KEY: USER.secretAccessKey,
      },
      admin: (...args) => cluster.admin(...args),
      async kill() {
        if (gateway.exitCode !== null || gateway.signalCode !== null) return
        const ended = once(gateway, 'exit')
        gateway.kill('SIGKILL')
        await ended
      },
      async start() {
        gateway = await startAnswering(cluster, endpoint)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The processes of a cluster, which keeps its files in one folder. */
class Cluster {
  readonly #folder: string
  readonly #env: NodeJS.ProcessEnv

  constructor(folder: string) {
    this.#folder = folder
    this.#env = { ...process.env, CEPH_CONF: join(folder, 'ceph.conf') }
  }

  async start({ port, monitorPort }: { port: number; monitorPort: number }): Promise<void> {
    const id = randomUUID()
    const folder = this.#folder
    const keyring = join(folder, 'keyring')
    for (const name of ['mon', 'osd', 'mgr', 'rgw', 'run']) await mkdir(join(folder, name))
    await writeFile(join(folder, 'ceph.conf'), configurationOf({ folder, id, port, monitorPort }))
    await writeFile(keyring, '')
    for (const [name, capabilities] of Object.entries(CAPABILITIES)) {
      const pairs = capabilities.flatMap((_, index) =>
        index % 2 === 0 ? ['--cap', ...capabilities.slice(index, index + 2)] : [],
      )
      await this.#do('ceph-authtool', keyring, '-g', '-n', name, ...pairs)
    }
    const map = join(folder, 'monmap')
    await this.#do(
      'monmaptool',
      '--create',
      '--fsid',
      id,
      '--addv',
      'a',
      `[v2:127.0.0.1:${monitorPort}]`,
      map,
    )
    await this.#do('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring)
    this.run('ceph-mon', '-i', 'a')
    this.run('ceph-mgr', '-i', 'x')
    const store = randomUUID()
    await this.#do('ceph', 'osd', 'new', store, '0')
    await this.#do('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', store)
    this.run('ceph-osd', '-i', '0')
  }

  /** Starts a program in the foreground as a child that the guard kills. */
  run(program: string, ...args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#folder, `${program}.out`), 'a')
    const child = spawn(program, [...args, '-f'], { env: this.#env, stdio: ['ignore', log, log] })
    child.once('error', () => undefined) // the step that waits for it fails
    if (child.pid !== undefined) void writeFile(join(this.#folder, `${program}.pid`), String(child.pid))
    return child
  }

  async admin(...args: readonly string[]): Promise<string> {
    return this.#do('radosgw-admin', ...args)
  }

  /** Returns the end of what a program wrote, for messages. */
  async outputOf(program: string): Promise<string> {
    const text = await readFile(join(this.#folder, `${program}.out`), 'utf8').catch(() => '')
    return text.slice(-1_000)
  }

  async #do(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run(program, args, { env: this.#env, timeout: STEP_MS })
    return stdout
  }
}

/** Starts the gateway and resolves when it answers. */
async function startAnswering(cluster: Cluster, endpoint: string): Promise<ChildProcess> {
  const gateway = cluster.run('radosgw', '-n', 'client.rgw')
  for (const until = performance.now() + ANSWER_MS; performance.now() < until; await sleep(POLL_MS)) {
    const answer = await fetch(endpoint).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok === true) return gateway
    if (gateway.exitCode !== null) break
  }
  throw new Error(`radosgw does not answer at ${endpoint}: ${await cluster.outputOf('radosgw')}`)
}

function configurationOf({
  folder,
  id,
  port,
  monitorPort,
}: {
  folder: string
  id: string
  port: number
  monitorPort: number
}): string {
  return `[global]
fsid = ${id}
keyring = ${folder}/keyring
mon_initial_members = a
mon_host = [v2:127.0.0.1:${monitorPort}]
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = ${STORE_BYTES}
osd_data = ${folder}/osd
mon_data = ${folder}/mon
mgr_data = ${folder}/mgr
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
log_file = ${folder}/$name.log
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_max_pg_per_osd = 2000
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:${port}
rgw_data = ${folder}/rgw
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
`
}

if (import.meta.main) {
  const gateway = await startS3Gateway()
  for (const [name, value] of Object.entries(gateway.environment))
    process.stdout.write(`export ${name}=${value}\n`)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await gateway.stop()
  process.exit()
}
