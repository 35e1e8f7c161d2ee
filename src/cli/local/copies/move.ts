import { readFile } from 'node:fs/promises'
import { parseEnv } from 'node:util'
import pino from 'pino'
import { readConfig } from '../../../config/config.ts'
import type { Config } from '../../../config/config.ts'
import { DepotError } from '../../../errors.ts'
import { moveDepot } from '../../../move/move.ts'
import type { Moved, Stage } from '../../../move/move.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectDepot, readLocalConfig } from '../data-folder.ts'
import { Progress } from '../progress.ts'
import { submit } from '../submit.ts'

const STAGES: Readonly<Record<Stage, string>> = {
  packages: 'packages',
  rows: 'rows, written and read again',
  bytes: 'packages, read again',
}

export const move: Define = (command, io) =>
  outputOptions(command)
    .option('--to <file>', 'a file with the settings of the depot to move to, such as DEPOT_DATABASE_URL=…')
    .option('--from <file>', 'a file with those of the depot to move; the default is the environment')
    .option(
      '--cancel',
      'accept changes again in a depot whose move was interrupted, or is not wanted any more',
    )
    .addHelpText(
      'after',
      `${examples([
        ['move --to cluster.env', 'move this depot to the database and the store of packages in cluster.env'],
        ['move --from cluster.env --to single.env', 'move back to one machine'],
        ['move --cancel', 'let this depot accept changes again'],
      ])}

The server of the depot may run, and answers polls and downloads throughout; it refuses changes while the rows are copied. No server may run on
the depot to move to, whose database must be empty. Compares all rows, the ledger, the views and the bytes of every package, and copies the
secret key if the new settings name none. Afterwards, the depot here refuses changes for good, and the ledger goes on in the new one. A move that
was interrupted copies only what is missing when it is run again.`,
    )
    .action(async ({ cancel = false, ...options }) => {
      const local = options.from === undefined ? readLocalConfig(io) : undefined
      const from = local ?? (await readSettings(io, options.from ?? ''))
      const refuseChanges = (reason: string | undefined) => submit(from, io, 'setMoving', { reason })
      const out = new Output(io, options)
      if (cancel) {
        if (options.to !== undefined) throw new UsageError('--cancel takes no --to')
        await refuseChanges(undefined)
        return out.show({ cancelled: true }, { whole: () => 'The depot accepts changes again.' })
      }
      if (options.to === undefined) throw new UsageError('move needs --to, a file with settings')
      if (local !== undefined) expectDepot(local, 'write')
      const progress = options.quiet === true ? undefined : new Progress(io.stderr)
      process.umask(0o077)
      try {
        const moved = await moveDepot(from, await readSettings(io, options.to), {
          log: pino({ level: 'silent' }),
          now: () => io.now(),
          refuseChanges,
          signal: io.signal,
          onProgress: (stage, steps) =>
            'total' in steps ? progress?.begin(STAGES[stage], steps.total) : progress?.advance(steps.done),
        })
        progress?.end()
        out.show(toJson(moved), { whole: () => toText(moved), brief: () => [moved.to] })
      } finally {
        progress?.end()
      }
    })

/** Reads settings from a file of lines `NAME=value`, as systemd and `docker --env-file` do. */
async function readSettings(io: Io, file: string): Promise<Config> {
  try {
    return readConfig({ ...parseEnv(await readFile(pathOf(io, file), 'utf8')) })
  } catch (cause) {
    if (cause instanceof DepotError) throw new DepotError(cause.code, `${file}: ${cause.message}`, { cause })
    throw cause
  }
}

function toJson({ to, tables, ledger, copied }: Moved): object {
  return { to, tables, sequence: ledger.head.sequence, hash: ledger.head.hash, packages_copied: copied }
}

function toText({ to, tables, ledger }: Moved): string {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  return `moved to ${to}: ${counted(rows, 'row')} in ${tables.length} tables, and the ledger through entry ${ledger.head.sequence}. All are equal, and the bytes of every package were read.
The depot here accepts no more changes. Stop its server, and start one with the new settings.`
}
