import { execFile } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import pino from 'pino'
import { sqliteFileOf } from '../src/config/database.ts'
import { readConfig } from '../src/config/config.ts'
import { openDepot } from '../src/depot/open.ts'
import { Blake2b } from '../src/hart/blake2b.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'

// Measures `backup` into an empty folder, a second backup that finds everything there, and `restore`, against
// `cp -a` of the data folder, which verifies nothing. `sync -f` then waits until the copy is on the disk, as
// a backup does. Includes the start of the processes.

const PACKAGES = 10_000
const QUICK_PACKAGES = 1_000
const SIZE_KB = 500
const ROUNDS = 3
const MAX_TIME = 1.5
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

interface Sample {
  readonly cpuMs: number
  readonly wallMs: number
}

export async function measureBackup({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const packages = isQuick ? QUICK_PACKAGES : PACKAGES
  await using scratch = await openScratch()
  const [data, backups, restored, copied] = ['data', 'backups', 'restored', 'copied'].map((name) =>
    join(scratch.path, name),
  ) as [string, string, string, string]
  await fill(data, packages)
  const copy = async (script: string) => {
    await rm(copied, { recursive: true, force: true })
    return timed('sh', ['-c', script, 'sh', data, copied], data)
  }
  const taken = await byTurns(ROUNDS, {
    backup: async () => {
      await rm(backups, { recursive: true, force: true })
      return depotCommand(data, 'backup', backups, '--quiet', '--with-secret-key')
    },
    again: () => depotCommand(data, 'backup', backups, '--quiet', '--with-secret-key'),
    restore: async () => {
      await rm(restored, { recursive: true, force: true })
      return depotCommand(restored, 'restore', backups, '--quiet')
    },
    copy: () => copy('cp -a "$1" "$2"'),
    synced: () => copy('cp -a "$1" "$2" && sync -f "$2"'),
  })
  const what = `${packages.toLocaleString('en-US')} packages of ${SIZE_KB} KB`
  const rows = (name: string, of: Sample[], yardstick: readonly [string, Sample[]], goal?: number) =>
    (['processor ms', 'ms'] as const).map((unit): Measurement => {
      const pick = (samples: readonly Sample[]) =>
        spreadOf(samples.map(({ cpuMs, wallMs }) => (unit === 'ms' ? wallMs : cpuMs)))
      return {
        name: `${name} of ${what}`,
        unit,
        depot: pick(of),
        yardstick: { name: yardstick[0], ...pick(yardstick[1]) },
        ...(unit === 'ms' && goal !== undefined && { goal }),
      }
    })
  return {
    measurements: [
      ...rows('backup', taken.backup, ['cp -a', taken.copy], MAX_TIME),
      ...rows('backup', taken.backup, ['cp -a + sync -f', taken.synced]),
      ...rows('restore', taken.restore, ['cp -a', taken.copy], MAX_TIME),
      ...rows('restore', taken.restore, ['cp -a + sync -f', taken.synced]),
      ...rows('second backup', taken.again, ['cp -a', taken.copy]),
    ],
    limits: [],
    missing: [],
  }
}

/** Makes a depot with blobs of random bytes, and their rows, or adds them to a depot. */
export async function fill(folder: string, packages: number): Promise<void> {
  const config = readConfig({ DEPOT_DATA: folder })
  const depot = await openDepot(config, { log: pino({ level: 'silent' }), inProcess: true })
  const { storage } = depot.blobs
  await depot.close()
  const db = new BetterSqlite3(sqliteFileOf(config))
  const insert = db.prepare(
    'INSERT INTO blobs (checksum, size_bytes, created_at, unreferenced_since) VALUES (?, ?, 1, NULL)',
  )
  const bytes = Buffer.alloc(SIZE_KB * 1000)
  randomFillSync(bytes)
  db.exec('BEGIN')
  for (let n = 0; n < packages; n += 1) {
    bytes.writeUInt32LE(n)
    const checksum = new Blake2b().update(bytes).digest()
    const place = storage.placeOf(checksum)
    await mkdir(dirname(place), { recursive: true })
    await writeFile(place, bytes)
    insert.run(checksum, bytes.length)
  }
  db.exec('COMMIT')
  db.close()
}

/** Runs a command of hart-depot on a data folder. */
function depotCommand(data: string, ...args: readonly string[]): Promise<Sample> {
  return timed(process.execPath, [MAIN, ...args], data)
}

async function timed(program: string, args: readonly string[], data: string): Promise<Sample> {
  const begun = performance.now()
  const { stderr } = await promisify(execFile)(
    'bash',
    ['-c', 'TIMEFORMAT="%U %S"; time "$0" "$@"', program, ...args],
    {
      env: { ...process.env, DEPOT_DATA: data },
    },
  )
  const wallMs = performance.now() - begun
  const [user = 0, system = 0] = stderr.trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  return { wallMs, cpuMs: (user + system) * 1_000 }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureBackup({ isQuick: process.argv.includes('--quick') })))
