import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerProcess } from './process.ts'
import { freePort, has, startProgram } from './program.ts'

/** Whether nginx is installed, and the processor time of processes can be read. */
export function hasNginx(): boolean {
  return process.platform === 'linux' && has('nginx')
}

/**
 * Serves the files of `folder`, which also takes its configuration, from one process, without a log. Files
 * are opened for each request, as they are by default: `open_file_cache` takes a third off an answer of some
 * kilobytes. What is not there is an empty 404.
 */
export async function startNginx(
  folder: string,
  headers: Readonly<Record<string, string>>,
  contentType = 'application/octet-stream',
): Promise<ServerProcess> {
  const port = await freePort()
  const conf = join(folder, 'nginx.conf')
  await writeFile(
    conf,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {} default_type ${JSON.stringify(contentType)};
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port}; root ${folder};
    ${Object.entries(headers)
      .map(([name, value]) => `add_header ${name} ${JSON.stringify(value)};`)
      .join(' ')}
    set $nothing ""; error_page 404 @missing; location @missing { add_header Cache-Control no-store always; return 404 $nothing; }
  }
}
`,
  )
  return startProgram(port, 'nginx', ['-c', conf, '-p', folder])
}
