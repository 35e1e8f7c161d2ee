import { execFile } from 'node:child_process'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { ThrowawayPostgres } from '../scripts/cluster/postgres.ts'
import { fill } from './fillings/million-rows.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { openScratch } from './scratch.ts'

// Measures `hart-depot move` of 100,000 releases from SQLite to PostgreSQL and back, with all comparisons, against
// PostgreSQL's own copy of the same database, which compares nothing. The releases have no bytes.

const RELEASES = 100_000
const QUICK_RELEASES = 5_000
const PACKAGES = 5_000
const ROUNDS = 3
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const SECRET_KEY = '5'.repeat(64)

export async function measureMove({ isQuick }: { isQuick: boolean }): Promise<Results> {
  if (!ThrowawayPostgres.isInstalled())
    return { measurements: [], limits: [], missing: ['moves between engines: PostgreSQL is not installed'] }
  const releases = isQuick ? QUICK_RELEASES : RELEASES
  await using scratch = await openScratch()
  const server = await ThrowawayPostgres.start({ isDurable: true })
  try {
    const folderOf = (name: string) => join(scratch.path, name)
    await mkdir(folderOf('filled'))
    await fill(folderOf('filled'), { releases, packages: Math.min(PACKAGES, releases / 5) })
    recordMissing(join(folderOf('filled'), 'depot.sqlite'))
    const sql = (text: string) =>
      promisify(execFile)('psql', ['--quiet', '--command', text, server.url]).then(() => undefined)
    const url = server.url.replace(/postgres$/, 'moved')
    const file = async (name: string, settings: Readonly<Record<string, string>>) => {
      const lines = Object.entries({ DEPOT_SECRET_KEY: SECRET_KEY, ...settings })
      await writeFile(folderOf(`${name}.env`), lines.map(([key, value]) => `${key}=${value}\n`).join(''))
    }
    await file('sqlite', { DEPOT_DATA: folderOf('data') })
    await file('postgres', { DEPOT_DATA: folderOf('node'), DEPOT_DATABASE_URL: url })
    await file('back', { DEPOT_DATA: folderOf('back') })
    const recreate = async (name: string) => {
      await sql(`drop database if exists ${name}`)
      await sql(`create database ${name}`)
    }
    const move = (from: string, to: string) =>
      timed(process.execPath, [
        MAIN,
        'move',
        '--quiet',
        '--from',
        folderOf(`${from}.env`),
        '--to',
        folderOf(`${to}.env`),
      ])
    const taken = await byTurns(ROUNDS, {
      there: async () => {
        await recreate('moved')
        // A depot can be moved once.
        await rm(folderOf('data'), { recursive: true, force: true })
        await cp(folderOf('filled'), folderOf('data'), { recursive: true })
        return move('sqlite', 'postgres')
      },
      back: async () => {
        await rm(folderOf('back'), { recursive: true, force: true })
        return move('postgres', 'back')
      },
      dump: async () => {
        await recreate('copied')
        const copied = server.url.replace(/postgres$/, 'copied')
        return timed('sh', ['-c', 'pg_dump "$1" | psql --quiet "$2" > /dev/null', 'sh', url, copied])
      },
    })
    const yardstick = { name: 'pg_dump | psql', ...spreadOf(taken.dump) }
    const what = `${releases.toLocaleString('en-US')} releases`
    return {
      measurements: [
        {
          name: `move of ${what} to PostgreSQL`,
          unit: 's',
          depot: spreadOf(taken.there),
          yardstick,
        },
        { name: `move of ${what} to SQLite`, unit: 's', depot: spreadOf(taken.back), yardstick },
      ],
      limits: [],
      missing: [],
    }
  } finally {
    await server.close()
  }
}

/** Records that the bytes are missing. A known damage moves along. */
function recordMissing(file: string): void {
  const db = new BetterSqlite3(file)
  db.exec(`UPDATE blobs SET damage = 'missing', damaged_at = 1`)
  db.close()
}

/** Returns the seconds that a program took. */
async function timed(program: string, args: readonly string[]): Promise<number> {
  const begun = performance.now()
  await promisify(execFile)(program, args)
  return (performance.now() - begun) / 1_000
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureMove({ isQuick: process.argv.includes('--quick') })))
