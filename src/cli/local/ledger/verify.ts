import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Checkpoint } from '../../../audit/checkpoint.ts'
import { verifyBlobs } from '../../../audit/verify-blobs.ts'
import type { BlobVerification } from '../../../audit/verify-blobs.ts'
import { Backups } from '../../../backup/backups.ts'
import { isS3Url } from '../../../config/s3-place.ts'
import type { BlobTarget } from '../../../backup/copy-blob.ts'
import { repairFromBackups, repairFromDepot } from '../../../backup/repair.ts'
import type { Repair } from '../../../backup/repair.ts'
import { findBlob } from '../../../blobs/blob-store.ts'
import { repairedStorage, storageOf } from '../../../blobs/open.ts'
import type { BlobStorage } from '../../../blobs/storage.ts'
import { RemoteDepot } from '../../../remote/remote-depot.ts'
import { formatColumns, formatTime, printable } from '../../../text/columns.ts'
import type { Db } from '../../../database/database.ts'
import { HashThreads } from '../../../hart/hash-threads.ts'
import { verifyDepot } from '../../../audit/verify.ts'
import type { Verification } from '../../../audit/verify.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectAccess, readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'
import { expectReachable, parseHttpUrl, readTokenFile } from '../other-depot.ts'
import { verifiedCheckpoint } from './ledger.ts'
import { readDepot } from '../read-depot.ts'
import { submit } from '../submit.ts'

const AGENT = 'hab-repair (hart-depot)'

export const verify: Define = (command, io) =>
  outputOptions(command)
    .option('--bytes', 'also read the files of packages, and check their checksums')
    .option('--repair', 'replace damaged files of packages by those of --from, whose checksums it verifies')
    .option('--from <place>', 'the URL of another depot, or a folder or s3://BUCKET/PREFIX with backups')
    .option('--token-file <file>', 'a token of the other depot, needed for private packages; - is stdin')
    .option('--checkpoint <file>', 'also check that history was not rewritten since a checkpoint; - is stdin')
    .option('--verifier-key <key>', 'the key that signed the checkpoint; the default is any of this depot')
    .addHelpText(
      'after',
      `${examples([
        ['verify', 'compare the ledger, the views and the files of packages'],
        ['verify --bytes --json', 'read every byte, and print the result as JSON'],
        ['verify --repair --from /mnt/backups', 'put missing files of packages back'],
        ['verify --checkpoint depot.checkpoint', 'check that history was not rewritten since'],
      ])}

Can run beside a server, and reads one state of the database. Write down the head that is printed: while the ledger has that hash at that
sequence number, no earlier entry was changed. Lists files that no release needs; the depot deletes them by itself.`,
    )
    .action(async ({ bytes = false, ...options }) => {
      if ((options.repair === true) !== (options.from !== undefined))
        throw new UsageError('--repair and --from go together')
      if (options.verifierKey !== undefined && options.checkpoint === undefined)
        throw new UsageError('--verifier-key needs --checkpoint')
      const config = readLocalConfig(io)
      const checkpoint =
        options.checkpoint === undefined
          ? undefined
          : await verifiedCheckpoint(config, await readText(io, options.checkpoint), options.verifierKey)
      const ledger = await readDepot(config, (db) => verifyDepot(db, checkpoint), { isSnapshot: true })
      const files = await readDepot(config, async (db) =>
        options.from === undefined
          ? verifyFiles(db, await storageOf(config), bytes)
          : repairFiles(db, config, io, {
              from: options.from,
              tokenFile: options.tokenFile,
              readsBytes: bytes,
            }),
      )
      const out = new Output(io, options)
      out.show(
        {
          ...ledgerToJson(ledger),
          ...(checkpoint && { checkpoint: { origin: checkpoint.origin, size: checkpoint.size } }),
          ...blobsToJson(files, bytes),
        },
        { whole: () => [ledgerToText(ledger, checkpoint), blobsToText(files, bytes)].join('\n\n') },
      )
      const count = ledger.findingCount + files.damagedCount
      if (count > 0)
        throw new Exit(
          EXIT.failed,
          `the ledger and the depot differ in ${count === 1 ? 'one place, which is' : `${count} places, which are`} listed above${
            files.damagedCount > 0 && options.from === undefined
              ? '; hart-depot verify --repair --from PLACE replaces damaged files by those of another depot or of a backup'
              : ''
          }`,
        )
    })

async function verifyFiles(db: Db, storage: BlobStorage, readsBytes: boolean): Promise<BlobVerification> {
  const hashes = new HashThreads()
  try {
    return await verifyBlobs(db, storage, readsBytes ? hashes : undefined)
  } finally {
    await hashes.close()
  }
}

/** Like {@link verifyFiles}, and repairs what is damaged. Says on stderr what becomes of each file. */
async function repairFiles(
  db: Db,
  config: LocalConfig,
  io: Io,
  { from, tokenFile, readsBytes }: { from: string; tokenFile: string | undefined; readsBytes: boolean },
): Promise<BlobVerification> {
  expectAccess(config, 'write')
  process.umask(0o077)
  const hashes = new HashThreads()
  const target = await repairedStorage(config)
  const { repair, close } = /^https?:/.test(from)
    ? { repair: repairFromDepot(await openSource(from, tokenFile, io), db, target), close: () => undefined }
    : await openBackups(isS3Url(from) ? from : pathOf(io, from), config, { target, hashes })
  try {
    return await verifyBlobs(db, target.storage, readsBytes ? hashes : undefined, async (blob) => {
      const { checksum, damage, idents } = blob
      const why = await repair(blob)
      if (why === undefined && (await findBlob(db, checksum))?.damage !== undefined)
        await submit(config, io, 'setDamage', { checksum }) // downloads are refused until the depot knows
      const what = `${printable(idents.join(' '))} (${damage})`
      io.stderr.write(
        why === undefined ? `repaired: ${what}\n` : `not repaired: ${what}: ${printable(why)}\n`,
      )
      return why === undefined
    })
  } finally {
    close()
    await hashes.close()
  }
}

async function openSource(url: string, tokenFile: string | undefined, io: Io): Promise<RemoteDepot> {
  const token = await readTokenFile(io, tokenFile)
  const source = new RemoteDepot({ url: parseHttpUrl(url), token, pause: (ms) => io.pause(ms), agent: AGENT })
  await expectReachable(source)
  return source
}

async function openBackups(
  place: string,
  config: LocalConfig,
  { target, hashes }: { target: BlobTarget; hashes: HashThreads },
): Promise<{ repair: Repair; close: () => void }> {
  const backups = await Backups.openForReading(place, config)
  return { repair: repairFromBackups(backups, target, hashes), close: () => backups.close() }
}

async function readText(io: Io, file: string): Promise<string> {
  return file === '-' ? text(io.stdin) : readFile(pathOf(io, file), 'utf8')
}

function ledgerToText(
  { findings, findingCount, head, ...counts }: Verification,
  checkpoint: Checkpoint | undefined,
): string {
  const { entries, promotions, views, members, pointers } = counts
  const summary = formatColumns(
    ['ENTRIES', 'PROMOTIONS', 'VIEWS', 'MEMBERSHIPS', 'POINTERS'],
    [[entries, promotions, views, members, pointers].map(String)],
  )
  const end = `head ${head.sequence}  ${head.hash}${head.sequence === 0 ? '' : `  ${formatTime(head.at)}`}`
  if (findingCount === 0)
    return `${summary}\n\n${end}\n\nthe ledger, the views and their history agree${checkpoint === undefined ? '' : `\nthe ledger begins with the ${checkpoint.size} entries of the checkpoint`}`
  return `${summary}\n\n${end}\n\n${formatColumns(
    ['WHERE', 'WHAT'],
    findings.map(({ place, detail }) => [place, detail]),
  )}${andMore(findingCount, findings)}`
}

function andMore(count: number, listed: readonly unknown[]): string {
  return count > listed.length ? `\nand ${count - listed.length} more` : ''
}

function blobsToText(
  { blobs, bytes, damaged, damagedCount, repairedCount, orphans, orphanCount }: BlobVerification,
  readsBytes: boolean,
): string {
  const intact = `${blobs === 1 ? 'the file of one package is' : `the files of ${blobs} packages are`} present, ${bytes} bytes, ${readsBytes ? 'with the right checksums' : 'with the right sizes; --bytes also checks checksums'}`
  const sections = [
    damagedCount === 0
      ? intact
      : `${formatColumns(
          ['FILE', 'DAMAGE', 'RELEASES'],
          damaged.map(({ checksum, damage, reason, idents }) => [
            checksum,
            reason === undefined ? damage : `${damage} (${reason})`,
            idents.join(' '),
          ]),
        )}${andMore(damagedCount, damaged)}`,
  ]
  if (repairedCount > 0)
    sections.push(
      `repaired ${repairedCount === 1 ? 'the file of one package' : `the files of ${repairedCount} packages`}`,
    )
  if (orphanCount > 0)
    sections.push(
      `${formatColumns(
        ['BYTES', 'FILE THAT NO RELEASE NEEDS'],
        orphans.map(({ place, sizeBytes = '?' }) => [String(sizeBytes), place]),
      )}${andMore(orphanCount, orphans)}`,
    )
  return sections.join('\n\n')
}

function blobsToJson(
  { blobs, bytes, damaged, damagedCount, repairedCount, orphans, orphanCount }: BlobVerification,
  readsBytes: boolean,
): object {
  return {
    packages: blobs,
    package_bytes: bytes,
    bytes_read: readsBytes,
    damaged: damaged.map(({ checksum, damage, reason, idents }) => ({
      checksum,
      damage,
      ...(reason !== undefined && { reason }),
      idents,
    })),
    damaged_in_all: damagedCount,
    repaired: repairedCount,
    orphans: orphans.map(({ place, sizeBytes = null }) => ({ file: place, size: sizeBytes })),
    orphans_in_all: orphanCount,
  }
}

function ledgerToJson({ findings, findingCount, head, ...counts }: Verification): object {
  const { entries, promotions, views, members, pointers } = counts
  return {
    agrees: findingCount === 0,
    entries,
    promotions,
    views,
    memberships: members,
    pointers,
    head: { sequence: head.sequence, hash: head.hash, at: head.sequence === 0 ? null : formatTime(head.at) },
    findings: findings.map(({ place, detail }) => ({ where: place, what: detail })),
    findings_in_all: findingCount,
  }
}
