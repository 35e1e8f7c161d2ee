import { writeFile } from 'node:fs/promises'
import pino from 'pino'
import { overlapOf } from '../../../blobs/apart.ts'
import { backUp } from '../../../backup/back-up.ts'
import type { BackUpResult } from '../../../backup/back-up.ts'
import { Backups } from '../../../backup/backups.ts'
import type { Manifest } from '../../../backup/manifest.ts'
import { Pace } from '../../../backup/pace.ts'
import { readConfig } from '../../../config/config.ts'
import { isS3Url } from '../../../config/s3-place.ts'
import { parseSize } from '../../../text/size.ts'
import { expectMigrated, openEngine } from '../../../database/engine.ts'
import { makeFolder } from '../../../database/make-folder.ts'
import { isDiskFull } from '../../../database/errors.ts'
import { findSecretKeys, formatSecretKeys } from '../../../depot/secret-key.ts'
import { HashThreads } from '../../../hart/hash-threads.ts'
import { formatBytes } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectDepot, readLocalConfig } from '../data-folder.ts'
import { Progress } from '../progress.ts'

const MAX_KEPT = 100_000

export const backup: Define = (command, io) =>
  outputOptions(command)
    .argument('<place>', 'a folder or s3://BUCKET/PREFIX that is new, or has backups of this depot')
    .option('--keep <count>', 'then remove all but the newest backups, and the packages only they need')
    .option('--rate <size>', 'the bytes to copy in a second, for example 20MiB; the default is no limit')
    .option('--new-history', 'go on in a folder of this depot after a restore; needed once')
    .option('--with-secret-key', 'also copy the key that decrypts the secrets in the database')
    .addHelpText(
      'after',
      `${examples([
        ['backup /mnt/backups --keep 30', 'back up this depot, and keep thirty backups'],
        ['backup /mnt/backups --rate 20MiB', 'leave the disks free for the server'],
        ['backup s3://backups/depot --keep 30', 'back up to S3, with the settings DEPOT_S3_…'],
      ])}

The server may run. Copies the database as it is now, and then the packages that the folder lacks, whose checksums it verifies. A backup that
was interrupted starts again, but does not copy again what it has copied. A damaged package is left out; the exit code is then 1.`,
    )
    .action(async (given, options) => {
      const keep = options.keep === undefined ? undefined : parseCount(options.keep)
      const pace = options.rate === undefined ? undefined : new Pace(parseRate(options.rate))
      const config = readLocalConfig(io)
      expectDepot(config, 'write')
      await makeFolder(config.dataFolder, 'DEPOT_DATA') // for locks; with PostgreSQL, it may be new
      await expectMigrated(await openEngine(config.database))
      const folder = isS3Url(given) ? given : pathOf(io, given)
      const overlap = await overlapOf(folder, config)
      if (overlap !== undefined) throw new UsageError(`${folder} ${overlap}: name another place`)
      process.umask(0o077)
      const out = new Output(io, options)
      const progress = options.quiet === true ? undefined : new Progress(io.stderr)
      const hashes = new HashThreads()
      let target: Backups | undefined
      try {
        target = await Backups.openForWriting(folder, config)
        const result = await backUp(config, target, {
          at: io.now(),
          hashes,
          pace,
          signal: io.signal,
          mayChangeHistory: options.newHistory,
          ...(options.withSecretKey === true && {
            writeSecretKey: async (db, path) => {
              const keys = await findSecretKeys(config, db, pino({ level: 'silent' }))
              await writeFile(path, formatSecretKeys(keys), { mode: 0o600, flush: true })
            },
          }),
          onProgress: (done, total) =>
            done === 0 ? progress?.begin('packages', total) : progress?.advance(),
        })
        progress?.end()
        const kept = keep === undefined ? undefined : await target.keep(keep)
        showBackup(out, folder, { ...result, kept })
        expectIntact(result.manifest)
      } catch (error) {
        if (!isDiskFull(error)) throw error
        throw new Exit(
          EXIT.failed,
          `there is no space left in ${folder}: what was copied is kept, and the next backup goes on from there`,
        )
      } finally {
        progress?.end()
        await hashes.close()
        target?.close()
      }
    })

export const backupList: Define = (command, io) =>
  outputOptions(command)
    .argument('<place>', 'a folder of backups, or s3://BUCKET/PREFIX')
    .addHelpText(
      'after',
      examples([
        ['backup list /mnt/backups', 'list the complete backups, the newest first'],
        ['backup list /mnt/backups --json', 'print their manifests'],
      ]),
    )
    .action(async (given, options) => {
      const out = new Output(io, options)
      const manifests = await Backups.listIn(isS3Url(given) ? given : pathOf(io, given), readConfig(io.env))
      out.show(manifests, {
        whole: () =>
          out.table(
            ['BACKUP', 'LEDGER', 'PACKAGES', 'SIZE', 'DAMAGED', 'SECRET KEY', 'HART-DEPOT'],
            manifests.map((manifest) => [
              manifest.id,
              String(manifest.ledger.sequence),
              String(manifest.packages),
              formatBytes(manifest.package_bytes + manifest.database_bytes),
              String(manifest.damaged_in_all),
              manifest.has_secret_key ? 'yes' : 'no',
              manifest.hart_depot,
            ]),
          ),
        brief: () => manifests.map(({ id }) => id),
      })
    })

/** Shows the backup that was made, and which older ones were removed. */
function showBackup(
  out: Output,
  folder: string,
  {
    manifest,
    copied,
    copiedBytes,
    quarantined,
    kept = { removed: [], blobs: 0 },
  }: BackUpResult & { kept: Awaited<ReturnType<Backups['keep']>> | undefined },
): void {
  const { removed, blobs } = kept
  const lines = [
    `backup ${manifest.id} in ${folder}: ${packages(manifest.packages)}, ${formatBytes(manifest.package_bytes)}; copied now: ${packages(copied)}, ${formatBytes(copiedBytes)}`,
    ...(removed.length === 0
      ? []
      : [`removed: ${removed.join(', ')}, and ${packages(blobs)} that only they had`]),
    ...(quarantined === 0
      ? []
      : [`The backup lacks ${packages(quarantined)} in quarantine: retention has removed the releases.`]),
    ...keyRemark(manifest),
  ]
  out.show(
    { ...manifest, folder, copied, copied_bytes: copiedBytes, quarantined, removed },
    { whole: () => lines.join('\n'), brief: () => [manifest.id] },
  )
}

function keyRemark({
  secret_keys: keys,
  has_secret_key: hasKey,
}: Pick<Manifest, 'secret_keys' | 'has_secret_key'>): string[] {
  return keys.length === 0 || hasKey
    ? []
    : [
        'The backup has no secret key: keep secret.key elsewhere, because a restored depot does not start without it.',
      ]
}

/** Throws an {@link Exit} that names damaged packages, if there are any. */
function expectIntact({
  damaged,
  damaged_in_all: count,
}: Pick<Manifest, 'damaged' | 'damaged_in_all'>): void {
  if (count === 0) return
  const named = damaged.map(({ damage, idents, checksum }) => `${idents.join(' ') || checksum} (${damage})`)
  throw new Exit(
    EXIT.failed,
    `the backup is complete except for ${packages(count)}, damaged in the depot: ${named.join(', ')}${count > named.length ? ', …' : ''}. See hart-depot verify --repair`,
  )
}

function packages(count: number): string {
  return count === 1 ? 'one package' : `${count} packages`
}

function parseCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= MAX_KEPT) return count
  throw new UsageError(`--keep takes a number from 1 to ${MAX_KEPT}`)
}

function parseRate(text: string): number {
  const bytes = parseSize(text)
  if (bytes !== undefined && bytes > 0) return bytes
  throw new UsageError('--rate takes a size, for example 20MiB')
}
