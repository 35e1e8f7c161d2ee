import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { CLONE } from '../support/documents/document.ts'
import { until } from '../support/until.ts'

test('the gateway is gone when the process that started it dies', async (t) => {
  const child = spawn(process.execPath, [join(CLONE, 'scripts/s3-gateway.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(async () => child.kill())
  let endpoint = ''
  for await (const line of createInterface({ input: child.stdout })) {
    endpoint ||= /^export DEPOT_S3_ENDPOINT=(.*)/.exec(line)?.[1] ?? ''
    if (line.startsWith('export AWS_SECRET_ACCESS_KEY=')) break
  }
  t.match(await fetch(endpoint), { status: 200 })
  child.kill('SIGKILL')
  await until('the gateway is gone', () =>
    fetch(endpoint).then(
      () => false,
      () => true,
    ),
  )
})
