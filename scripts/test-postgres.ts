import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ThrowawayPostgres } from './cluster/postgres.ts'

// Runs test files with depots on PostgreSQL: `scripts/test-postgres.ts [FILE | FOLDER]...`, by default every
// suite that starts a depot, and `*.postgres.ts`. Starts a server in a temporary folder, unless
// DEPOT_TEST_POSTGRES_URL names one, and migrates the database that each depot gets a copy of.

const ROOT = join(import.meta.dirname, '..')
/** A suite with a depot imports one of these, perhaps through others of test/support. */
const STARTS_DEPOT = /support\/(start-depot|origin|webhooks\/webhook-scene|views\/(view-scene|project))\.ts'/
/** A suite that opens SQLite files is about them. */
const IS_ABOUT_SQLITE = /'better-sqlite3'|database\/sqlite\/|sqliteFileOf/
/** Suites about what differs on PostgreSQL, or where files and processes of a depot are. */
const ONLY_SQLITE: readonly string[] = [
  'test/http/api/promotions/unchanged.test.ts', // memory decides only where one process writes
  'test/http/habitat/channels/promote-release.test.ts',
  'test/depot/open.test.ts', // removes the file
  'test/ledger/read-ahead.test.ts', // counts turns while a command reads; test/writer/several-writers.postgres.ts is its sibling
  'test/backup/backup.test.ts', // names the depot by its folder; test/move/move.test.ts backs up a server
  'test/cli/local/installation/doctor.test.ts', // examines the files
  'test/cli/command-line.test.ts', // reads the file
]

function suites(): string[] {
  const found = globSync('test/**/*.{test,postgres}.ts', { cwd: ROOT }).toSorted()
  return found.filter((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return (
      file.endsWith('.postgres.ts') ||
      (STARTS_DEPOT.test(text) && !IS_ABOUT_SQLITE.test(text) && !ONLY_SQLITE.includes(file))
    )
  })
}

const given = process.env['DEPOT_TEST_POSTGRES_URL'] ?? ''
const server =
  given === ''
    ? await ThrowawayPostgres.start({ settings: { full_page_writes: 'off', autovacuum: 'off' } })
    : undefined
process.env['DEPOT_TEST_POSTGRES_URL'] = server?.url ?? given
process.env['DEPOT_TEST_TEMPLATE'] = `hart_depot_template_${process.pid}`
const { dropTemplate, makeTemplate } = await import('../test/support/test-database.ts')
try {
  await makeTemplate()
  const named = process.argv.slice(2)
  const runner = spawn(
    process.execPath,
    [join(ROOT, 'test/run.ts'), ...(named.length > 0 ? named : suites())],
    { stdio: 'inherit' },
  )
  const [code] = (await once(runner, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} finally {
  await dropTemplate()
  await server?.close()
}
