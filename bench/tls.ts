import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, createSecureContext } from 'node:tls'
import { askAny, getRequest } from './clients/load.ts'
import { LATEST, SUPERVISOR, publishApp } from './poll.ts'
import { TOKEN } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'
import { freePort, has, startProgram } from './servers/program.ts'

// Measures polls over TLS as hab makes them: a connection and a full handshake for each. The cost is that of
// the proxy and the depot together. The yardstick is nginx, which ends TLS and sends the same bytes from a
// file.

/** The keys of certificates, as `openssl req` makes them. */
const KEYS = {
  p256: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['rsa:2048'],
} as const
const MAX_OF_NGINX = 1.5
const CONNECTIONS = 8

export async function measureTls({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const absent = ['nginx', 'caddy', 'openssl'].filter((program) => !has(program))
  if (process.platform !== 'linux' || absent.length > 0)
    return {
      measurements: [],
      limits: [],
      missing: [`polls over TLS: ${absent.join(', ') || 'Linux'} is missing`],
    }
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishApp(depot.port, scratch.path)
  const { body } = await askAny(depot.port, getRequest(LATEST, SUPERVISOR, 'close'))
  const certificates = {
    p256: makeCertificate(scratch.path, 'p256'),
    rsa: makeCertificate(scratch.path, 'rsa'),
  }
  const proxied = `proxy_pass http://depot; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https; proxy_buffering off;`
  const upstream = `upstream depot { server 127.0.0.1:${depot.port}; keepalive 32; }`
  await writeFile(join(scratch.path, 'latest.json'), body)
  const fromFile = `default_type application/json; rewrite ^ /latest.json break; root ${scratch.path};`
  await using bare = await startNginx(scratch.path, {
    name: 'bare',
    certificate: certificates.p256,
    location: fromFile,
  })
  await using nginx = await startNginx(scratch.path, {
    name: 'proxy',
    certificate: certificates.p256,
    location: proxied,
    upstream,
  })
  await using rsa = await startNginx(scratch.path, {
    name: 'rsa',
    certificate: certificates.rsa,
    location: proxied,
    upstream,
  })
  await using caddy = await startCaddy(scratch.path, certificates.p256, depot.port)
  const sides = {
    bare: [bare],
    nginx: [nginx, depot],
    rsa: [rsa, depot],
    caddy: [caddy, depot],
  } as const
  const [rounds, count] = isQuick ? [5, 200] : [21, 400]
  for (const [first] of Object.values(sides)) await poll(first.port, body.length, count * 3)
  const measureSide = (servers: readonly ServerProcess[]) => async () => {
    const before = await cpuMsOf(servers)
    await poll(servers[0]?.port ?? 0, body.length, count)
    return (((await cpuMsOf(servers)) - before) * 1000) / count
  }
  const samples = await byTurns(rounds, {
    bare: measureSide(sides.bare),
    nginx: measureSide(sides.nginx),
    rsa: measureSide(sides.rsa),
    caddy: measureSide(sides.caddy),
  })
  const row = (name: string, side: keyof typeof sides, goal?: number): Measurement => ({
    name: `poll over TLS, ${name}`,
    unit: 'processor µs',
    depot: spreadOf(samples[side]),
    yardstick: { name: 'nginx with TLS on P-256, a file', ...spreadOf(samples.bare) },
    ...(goal !== undefined && { goal }),
  })
  const perSecond = (side: keyof typeof sides) => Math.round(1e6 / spreadOf(samples[side]).median)
  return {
    measurements: [
      row('nginx in front, P-256', 'nginx', MAX_OF_NGINX),
      row('nginx in front, RSA of 2048 bits', 'rsa'),
      row('Caddy in front, P-256', 'caddy'),
    ],
    limits: [],
    missing: [],
    notes: [
      `One core answers ${perSecond('nginx')} polls a second over TLS by nginx and the depot, ${perSecond('caddy')} by Caddy and the depot, and ${perSecond('bare')} by nginx alone.`,
    ],
  }
}

async function cpuMsOf(servers: readonly ServerProcess[]): Promise<number> {
  let sum = 0
  for (const server of servers) sum += await server.cpuMs()
  return sum
}

interface Certificate {
  readonly certificate: string
  readonly key: string
}

function makeCertificate(folder: string, kind: keyof typeof KEYS): Certificate {
  const [certificate, key] = [join(folder, `${kind}.pem`), join(folder, `${kind}.key`)]
  const subject = [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-days',
    '2',
    '-nodes',
  ]
  const args = ['req', '-x509', '-newkey', ...KEYS[kind], ...subject, '-out', certificate, '-keyout', key]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { certificate, key }
}

interface NginxOptions {
  readonly name: string
  readonly certificate: Certificate
  readonly location: string
  readonly upstream?: string
}

async function startNginx(
  parent: string,
  { name, certificate, location, upstream = '' }: NginxOptions,
): Promise<ServerProcess> {
  const port = await freePort()
  const folder = join(parent, name)
  await mkdir(join(folder, 'logs'), { recursive: true })
  const file = join(folder, 'nginx.conf')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  )
  await writeFile(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; ${paths.join(' ')} ${upstream}
  server {
    listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${certificate.certificate}; ssl_certificate_key ${certificate.key};
    location / { ${location} }
  }
}
`,
  )
  return startProgram(port, 'nginx', ['-c', file, '-p', folder, '-e', 'stderr'])
}

async function startCaddy(
  folder: string,
  { certificate, key }: Certificate,
  depotPort: number,
): Promise<ServerProcess> {
  const port = await freePort()
  const file = join(folder, 'Caddyfile')
  await writeFile(
    file,
    `{
	admin off
	auto_https disable_redirects
	skip_install_trust
	grace_period 1s
	storage file_system ${folder}/caddy
	log {
		level ERROR
	}
}
https://localhost:${port} {
	bind 127.0.0.1
	tls ${certificate} ${key}
	reverse_proxy 127.0.0.1:${depotPort} {
		flush_interval -1
		transport http {
			keepalive 60s
		}
	}
}
`,
  )
  return startProgram(port, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'])
}

const request = getRequest(LATEST, { ...SUPERVISOR, host: 'localhost' }, 'close')
const secureContext = createSecureContext() // shared, because making one costs more than a handshake

/** Sends `count` polls, each on a connection of its own with a full handshake and without ALPN. */
async function poll(port: number, bodyBytes: number, count: number): Promise<void> {
  let left = count
  const one = async () => {
    while (left > 0) {
      left -= 1
      const options = {
        port,
        host: '127.0.0.1',
        servername: 'localhost',
        rejectUnauthorized: false,
        secureContext,
      }
      const socket = connect(options)
      socket.write(request)
      let received = 0
      let start = ''
      socket.on('data', (piece: Buffer) => {
        if (received === 0) start = piece.toString('latin1', 0, 15)
        received += piece.length
      })
      await once(socket, 'close')
      if (start !== 'HTTP/1.1 200 OK' || received < bodyBytes)
        throw new Error(`a poll over TLS was answered ${JSON.stringify(start)} and ${received} bytes`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureTls({ isQuick: process.argv.includes('--quick') })))
