import { Backups } from '../../../backup/backups.ts'
import { restoreBackup } from '../../../backup/restore.ts'
import type { Restored } from '../../../backup/restore.ts'
import type { DamagedBlob, Manifest } from '../../../backup/manifest.ts'
import { isS3Url } from '../../../config/s3-place.ts'
import { isDiskFull } from '../../../database/errors.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { readLocalConfig } from '../data-folder.ts'
import { Progress } from '../progress.ts'
import { CLI_ACTOR } from '../submit.ts'

const MAX_NAMED = 100

export const restore: Define = (command, io) =>
  outputOptions(command)
    .argument('<place>', 'a folder of backups, or s3://BUCKET/PREFIX')
    .option('--backup <id>', 'the backup; the default is the newest')
    .addHelpText(
      'after',
      `${examples([
        ['restore /mnt/backups', 'restore the newest backup into DEPOT_DATA'],
        ['restore /mnt/backups --backup 20260101T020000.000Z', 'restore an earlier one'],
      ])}

DEPOT_DATA must be empty, except for secret.key. Verifies every checksum, the ledger and the views, and starts a new history, so that clients
notice what was lost. A restore that was interrupted continues when it is run again; until then, no server starts on the folder.`,
    )
    .action(async (given, options) => {
      const config = readLocalConfig(io)
      const out = new Output(io, options)
      const progress = options.quiet === true ? undefined : new Progress(io.stderr)
      const from = await Backups.openForReading(isS3Url(given) ? given : pathOf(io, given), config)
      try {
        const backup = await from.get(options.backup)
        const restored = await restoreBackup(backup, from, config, {
          at: io.now(),
          actor: CLI_ACTOR,
          signal: io.signal,
          onProgress: (done, total) =>
            done === 0 ? progress?.begin('packages', total) : progress?.advance(),
        })
        progress?.end()
        out.show(toJson(backup, restored, config.dataFolder), {
          whole: () => toText(out, backup, restored, config.dataFolder),
          brief: () => [restored.incarnation],
        })
        expectComplete(restored)
      } catch (error) {
        if (!isDiskFull(error)) throw error
        throw new Exit(
          EXIT.failed,
          `there is no space left in ${config.dataFolder}: what was restored is kept; make room, and run the same command again`,
        )
      } finally {
        progress?.end()
        from.close()
      }
    })

function toJson(backup: Manifest, restored: Restored, folder: string): object {
  const { ledger, missing, ...others } = restored
  return {
    backup: backup.id,
    taken_at: backup.taken_at,
    data_folder: folder,
    incarnation: others.incarnation,
    incarnation_before: backup.incarnation,
    sequence: backup.ledger.sequence,
    packages: others.packages,
    missing: missing.slice(0, MAX_NAMED),
    missing_in_all: missing.length,
    quarantined: others.quarantined,
    ledger_agrees: ledger.findingCount === 0,
    migrations: others.migrations,
    orphans: others.orphans,
  }
}

function toText(out: Output, backup: Manifest, restored: Restored, folder: string): string {
  const { incarnation, packages, missing, quarantined, ledger, migrations, orphans } = restored
  const taken = backup.taken_at.replace(/\.\d+/, '')
  const lines = [
    `${folder} has the depot of ${taken}: ${counted(packages, 'package')}, ${counted(ledger.views, 'view')}, and the ledger through entry ${backup.ledger.sequence}.`,
    '',
    'What differs from the depot that was backed up:',
    `- A new history starts: ${incarnation}. Whatever changed after ${taken} is not in it, and clients that saw later changes get other_history.`,
    '- The next backup into a folder that has earlier ones needs --new-history, once.',
    `- Tokens and roles that were revoked after ${taken} are valid again: see hart-depot token list.`,
    '- Settings are not in backups: set the same DEPOT_… again, for example DEPOT_UPSTREAM.',
  ]
  if (quarantined > 0)
    lines.push(
      `- Packages that were in quarantine and cannot return, because backups do not have their bytes: ${quarantined}.`,
    )
  if (migrations.length > 0)
    lines.push(
      `- The database was upgraded from the version ${backup.hart_depot}, by ${migrations.join(', ')}.`,
    )
  if (orphans > 0)
    lines.push(
      `- Files of an earlier restore that are not needed: ${orphans}. See hart-depot restored --list.`,
    )
  if (ledger.findingCount > 0) lines.push('- The ledger and the views differ: see hart-depot verify.')
  if (missing.length > 0)
    lines.push('- The backup lacks the bytes of these releases:', '', tableOf(out, missing))
  return lines.join('\n')
}

function tableOf(out: Output, missing: readonly DamagedBlob[]): string {
  const rows = missing
    .slice(0, MAX_NAMED)
    .map(({ checksum, damage, idents }) => [checksum, damage, idents.join(' ')])
  const more = missing.length > MAX_NAMED ? `\nand ${missing.length - MAX_NAMED} more` : ''
  return `${out.table(['FILE', 'IN THE BACKUP', 'RELEASES'], rows)}${more}`
}

/** Throws an {@link Exit} if packages are missing, or if the ledger and the views differ. */
function expectComplete({ missing, ledger }: Restored): void {
  if (missing.length > 0)
    throw new Exit(
      EXIT.failed,
      `the depot is restored except for ${missing.length === 1 ? 'one package' : `${missing.length} packages`}: hart-depot verify --repair fetches them from another depot`,
    )
  if (ledger.findingCount > 0)
    throw new Exit(
      EXIT.failed,
      'the depot is restored, but its ledger and views differ: see hart-depot verify',
    )
}
