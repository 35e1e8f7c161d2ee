import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ThrowawayPostgres } from './cluster/postgres.ts'

// Runs test files with depots on PostgreSQL: `scripts/test-postgres.ts [FILE | FOLDER]...`. Starts a server in
// a temporary folder, unless DEPOT_TEST_POSTGRES_URL names one, and migrates the database that each depot
// gets a copy of.

const given = process.env['DEPOT_TEST_POSTGRES_URL'] ?? ''
const server = given === '' ? await ThrowawayPostgres.start() : undefined
process.env['DEPOT_TEST_POSTGRES_URL'] = server?.url ?? given
process.env['DEPOT_TEST_TEMPLATE'] = `hart_depot_template_${process.pid}`
const { dropTemplate, makeTemplate } = await import('../test/support/test-database.ts')
try {
  await makeTemplate()
  const runner = spawn(
    process.execPath,
    [join(import.meta.dirname, '../test/run.ts'), ...process.argv.slice(2)],
    {
      stdio: 'inherit',
    },
  )
  const [code] = (await once(runner, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} finally {
  await dropTemplate()
  await server?.close()
}
