import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ServerProcess } from './process.ts'

const LONGEST_START_MS = 5_000

/** Whether nginx is here to be compared with, and processes can be asked what they used. */
export function hasNginx(): boolean {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' })
    return process.platform === 'linux'
  } catch {
    return false
  }
}

/** Serves the files of `folder`, which also takes its configuration, from one process, as fast as it can. */
export async function startNginx(folder: string, headers: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const port = await freePort()
  const conf = join(folder, 'nginx.conf')
  await writeFile(
    conf,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port}; root ${folder};
    ${Object.entries(headers).map(([name, value]) => `add_header ${name} ${JSON.stringify(value)};`).join(' ')}
  }
}
`,
  )
  const child = spawn('nginx', ['-c', conf, '-p', folder], { stdio: ['ignore', 'ignore', 'inherit'] })
  const { pid } = child
  if (pid === undefined) throw new Error('nginx did not start')
  await listening(port)
  return {
    pid,
    port,
    async cpuMs() {
      // Nanoseconds that its only thread ran, in the kernel too; /proc/PID/stat counts in hundredths of a second.
      return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listening(port: number): Promise<void> {
  const deadline = Date.now() + LONGEST_START_MS
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(20)
    } finally {
      socket.destroy()
    }
  }
}
