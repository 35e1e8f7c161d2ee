import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../test/support/free-port.ts'
import { NodeProcess, runCommand } from './node-process.ts'
import { ThrowawayPostgres } from './postgres.ts'
import { whenGone } from './when-gone.ts'

export interface ClusterOptions {
  readonly nodes?: number
  /** Whether commits survive a crash of the machine. */
  readonly isDurable?: boolean
  /** Further settings of all nodes. */
  readonly environment?: Readonly<Record<string, string>>
  /** Further settings of single nodes, by their places. */
  readonly ofNode?: (
    index: number,
    cluster: { readonly postgresPort: number },
  ) => Promise<Readonly<Record<string, string>>>
}

/**
 * The topology of docs/cluster.md as processes on loopback: PostgreSQL, a migration, nodes that share a
 * folder of blobs, and nginx before them. Everything stops with `close`, or when this process ends.
 */
export class LocalCluster {
  readonly folder: string
  readonly postgres: ThrowawayPostgres
  readonly nodes: readonly NodeProcess[]
  readonly adminToken: string
  /** The settings of all nodes. */
  readonly environment: Readonly<Record<string, string>>
  /** Where nginx listens. */
  readonly url: string
  readonly #nginx: ChildProcess
  readonly #cancelGuard: () => void

  private constructor(made: {
    folder: string
    postgres: ThrowawayPostgres
    nodes: readonly NodeProcess[]
    adminToken: string
    environment: Readonly<Record<string, string>>
    url: string
    nginx: ChildProcess
    cancelGuard: () => void
  }) {
    this.folder = made.folder
    this.postgres = made.postgres
    this.nodes = made.nodes
    this.adminToken = made.adminToken
    this.environment = made.environment
    this.url = made.url
    this.#nginx = made.nginx
    this.#cancelGuard = made.cancelGuard
  }

  /** Starts all processes. Resolves when the nodes answer through nginx. */
  static async start({ nodes: count = 2, ...options }: ClusterOptions = {}): Promise<LocalCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-cluster-'))
    const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
    const cancelGuard = whenGone('sleep 1; rm -rf "$1"', [folder]) // after the guards of the processes
    try {
      const postgres = await ThrowawayPostgres.start({ isDurable: options.isDurable === true })
      undo.push(() => postgres.close())
      await postgres.query('create database depot')
      const adminToken = randomBytes(24).toString('base64url')
      const environment = {
        DEPOT_DATABASE_URL: postgres.url.replace(/postgres$/, 'depot'),
        DEPOT_BLOBS: `fs:${join(folder, 'blobs')}`,
        DEPOT_ADMIN_TOKEN: adminToken,
        DEPOT_SECRET_KEY: randomBytes(32).toString('hex'),
        DEPOT_TRUST_PROXY: '127.0.0.1',
        ...options.environment,
      }
      await mkdir(join(folder, 'blobs'))
      await runCommand(['migrate'], { ...environment, DEPOT_DATA: join(folder, 'migrate') })
      const nodes: NodeProcess[] = []
      for (let index = 0; index < count; index += 1)
        nodes.push(
          new NodeProcess({
            name: `node${index + 1}`,
            port: await freePort(),
            folder,
            environment: {
              ...environment,
              ...(await options.ofNode?.(index, { postgresPort: postgres.port })),
            },
          }),
        )
      undo.push(() => Promise.all(nodes.map((node) => node.stop())))
      await Promise.all(nodes.map((node) => node.start()))
      const { nginx, url } = await startNginx(folder, nodes)
      return new LocalCluster({ folder, postgres, nodes, adminToken, environment, url, nginx, cancelGuard })
    } catch (error) {
      for (const each of undo.toReversed()) await each()
      cancelGuard()
      throw error
    }
  }

  /** Stops everything in order, and removes all folders. */
  async close(): Promise<void> {
    const ended = once(this.#nginx, 'exit')
    this.#nginx.kill('SIGTERM')
    await ended
    await Promise.all(this.nodes.map((node) => node.stop()))
    await this.postgres.close()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
    this.#cancelGuard()
  }
}

/** Starts nginx, which tries another node when one cannot be reached or holds no lease. */
async function startNginx(
  folder: string,
  nodes: readonly NodeProcess[],
): Promise<{ nginx: ChildProcess; url: string }> {
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  await mkdir(join(folder, 'nginx'))
  await chmod(folder, 0o755)
  await writeFile(file, nginxConfig(join(folder, 'nginx'), port, nodes))
  const nginx = spawn('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  const cancel = whenGone('kill "$1"', [String(nginx.pid)])
  nginx.once('exit', cancel)
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok === true) return { nginx, url }
    if (attempt === 100 || nginx.exitCode !== null)
      throw new Error(`nginx does not answer: ${answer?.status ?? nginx.exitCode}`)
    await pause(100)
  }
}

function nginxConfig(folder: string, port: number, nodes: readonly NodeProcess[]): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
events { worker_connections 1024; }
http {
  access_log off; ${temp}
  upstream depot {
    # A node that fails is left out for a second. If all have failed, all are asked.
${nodes.map((node) => `    server 127.0.0.1:${node.port} max_fails=1 fail_timeout=1s;`).join('\n')}
${nodes.map((node) => `    server 127.0.0.1:${node.port} max_fails=0 backup;`).join('\n')}
    keepalive 32;
  }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass http://depot;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 120s;
      # A node without a lease answers 503. Requests that change something are not repeated.
      proxy_next_upstream error timeout http_503;
      proxy_next_upstream_tries ${nodes.length};
    }
  }
}
`
}
