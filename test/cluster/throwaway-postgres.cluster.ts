import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { until } from '../support/until.ts'

// The server that tests, benches and `npm run cluster` use. Needs PostgreSQL: `npm run test:cluster`.

test('a server keeps its data over a kill, and close removes it', async (t) => {
  const postgres = await ThrowawayPostgres.start()
  await postgres.query('create table kept (n int); insert into kept values (7)')
  await postgres.stop('SIGKILL')
  await t.rejects(postgres.query('select 1'), 'nothing answers')
  await postgres.restart()
  t.equal(await postgres.query('select n from kept'), '7')
  await postgres.close()
  t.notOk(existsSync(postgres.folder))
})

test('a server stops when the process that started it is killed', async (t) => {
  const module = join(import.meta.dirname, '../../scripts/cluster/postgres.ts')
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { ThrowawayPostgres } = await import(${JSON.stringify(module)})
       const { folder, pid } = await ThrowawayPostgres.start()
       console.log(JSON.stringify({ folder, pid }))
       setInterval(() => undefined, 1_000)`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { folder, pid } = JSON.parse(line) as { folder: string; pid: number }
  t.ok(existsSync(join('/proc', String(pid))))
  child.kill('SIGKILL')
  await until('the server and its folder are gone', () => !existsSync(folder) && !existsSync(`/proc/${pid}`))
  t.pass()
})
