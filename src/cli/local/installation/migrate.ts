import { rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import pino from 'pino'
import { copyDatabase, openEngine } from '../../../database/engine.ts'
import { openDepot } from '../../../depot/open.ts'
import { DepotError } from '../../../errors.ts'
import { formatBytes } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectDepot, readLocalConfig } from '../data-folder.ts'

/** A trial needs this many times the size of the database, for the copy and for the log of its upgrade. */
const NEEDED_SIZES = 3

/** The upgrade of a copy of the database. */
interface Trial {
  readonly ms: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

export const migrate: Define = (command, io) =>
  outputOptions(command)
    .option('--check', 'change nothing: list the steps of the upgrade, and try it on a copy of the database')
    .addHelpText(
      'after',
      `${examples([
        ['migrate --check', 'show what the upgrade to this version would do, and how long it takes'],
        ['migrate', 'upgrade the database while no server runs'],
      ])}

serve upgrades a database by itself. An upgrade is one transaction: if it fails, the database stays as it was, and the older version can go on.
After an upgrade, older versions cannot open the database. With --check, the older version may run; the trial needs room for three copies of
the database beside it. On PostgreSQL, --check only lists the steps.`,
    )
    .action(async ({ check = false, ...options }) => {
      const config = readLocalConfig(io)
      expectDepot(config, check ? 'read' : 'write')
      const engine = await openEngine(config.database)
      const pending = await engine.pendingMigrations()
      const { database } = config
      const isTried = check && pending.length > 0 && database.engine === 'sqlite'
      const trial = isTried ? await tryUpgrade(database.file, io) : undefined
      if (!check && pending.length > 0) {
        const log = pino({ level: 'silent' })
        await (await openDepot(config, { log, inProcess: true, keepsBlobs: true })).close()
      }
      new Output(io, options).show(
        {
          migrations: pending,
          upgraded: !check && pending.length > 0,
          ...(trial && {
            trial: { ms: trial.ms, bytes_before: trial.bytesBefore, bytes_after: trial.bytesAfter },
          }),
        },
        { whole: () => textOf(pending, check, trial), brief: () => [...pending] },
      )
    })

function textOf(pending: readonly string[], isCheck: boolean, trial: Trial | undefined): string {
  if (pending.length === 0) return 'The database is that of this version: there is nothing to upgrade.'
  const steps = pending.map((name) => `  ${name}`).join('\n')
  if (!isCheck) return `upgraded the database:\n${steps}`
  if (trial === undefined)
    return `The upgrade would take these steps:\n${steps}\n\nThey were not tried, because the database is on PostgreSQL. Nothing was changed.`
  const { ms, bytesBefore, bytesAfter } = trial
  return `The upgrade would take these steps:\n${steps}\n\nOn a copy of the database it succeeded, in ${(ms / 1_000).toFixed(1)} s. The database grew from ${formatBytes(bytesBefore)} to ${formatBytes(bytesAfter)}. Nothing was changed.`
}

/**
 * Upgrades a copy of the database, and removes it. Throws `storage_full` if there is no room for the copy,
 * the error of a migration that fails, and the reason of the signal.
 */
async function tryUpgrade(file: string, { now, signal }: Pick<Io, 'now' | 'signal'>): Promise<Trial> {
  const copy = `${file}.trial`
  const { size: bytesBefore } = await stat(file)
  const { bavail, bsize } = await statfs(dirname(file))
  if (bavail * bsize < NEEDED_SIZES * bytesBefore)
    throw new DepotError(
      'storage_full',
      `the trial needs ${formatBytes(NEEDED_SIZES * bytesBefore)} beside ${file}, and ${formatBytes(bavail * bsize)} are free`,
    )
  const engine = await openEngine({ engine: 'sqlite', file: copy })
  const files = [...engine.files, ...engine.logFiles, `${copy}-shm`, `${copy}-journal`]
  const remove = () => Promise.all(files.map((each) => rm(each, { force: true })))
  await remove()
  process.umask(0o077)
  try {
    await copyDatabase(file, copy, () => signal.throwIfAborted())
    const begun = performance.now()
    await engine.migrate(now())
    signal.throwIfAborted()
    const ms = Math.round(performance.now() - begun)
    return { ms, bytesBefore, bytesAfter: (await stat(copy)).size }
  } finally {
    await remove()
  }
}
