import { verifyBlobs } from '../../audit/verify-blobs.ts'
import type { BlobVerification } from '../../audit/verify-blobs.ts'
import { storageOf } from '../../blobs/open.ts'
import type { BlobStorage } from '../../blobs/storage.ts'
import { formatColumns, formatTime } from '../../text/columns.ts'
import { openSnapshot } from '../../database/engine.ts'
import type { Db } from '../../database/database.ts'
import { HashThreads } from '../../hart/hash-threads.ts'
import { verifyDepot } from '../../audit/verify.ts'
import type { Verification } from '../../audit/verify.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { Output, outputOptions } from '../output.ts'
import { readLocalConfig } from './data-folder.ts'
import { readDepot } from './read-depot.ts'

export const verify: Define = (command, io) =>
  outputOptions(command)
    .option('--bytes', 'also read the files of packages, and check their checksums')
    .addHelpText(
      'after',
      `${examples([
        ['verify', 'compare the ledger, the views and the files of packages'],
        ['verify --bytes --json', 'read every byte, and print the result as JSON'],
      ])}

Can run beside a server, and reads one state of the database. Write down the head that is printed: while the ledger has that hash at that
sequence number, no earlier entry was changed. Lists files that no release needs; the depot deletes them by itself.`,
    )
    .action(async ({ bytes = false, ...options }) => {
      const config = readLocalConfig(io)
      const ledger = await readDepot(config, verifyDepot, openSnapshot)
      const files = await readDepot(config, (db) => verifyFiles(db, storageOf(config), bytes))
      const out = new Output(io, options)
      out.show(
        { ...ledgerToJson(ledger), ...blobsToJson(files, bytes) },
        { whole: () => [ledgerToText(ledger), blobsToText(files, bytes)].join('\n\n') },
      )
      const count = ledger.findingCount + files.damagedCount
      if (count > 0)
        throw new Exit(
          EXIT.failed,
          `the ledger and the depot differ in ${count === 1 ? 'one place' : `${count} places`}; hart-depot verify shows them`,
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

function ledgerToText({ findings, findingCount, head, ...counts }: Verification): string {
  const { entries, promotions, views, members, pointers } = counts
  const summary = formatColumns(
    ['ENTRIES', 'PROMOTIONS', 'VIEWS', 'MEMBERSHIPS', 'POINTERS'],
    [[entries, promotions, views, members, pointers].map(String)],
  )
  const end = `head ${head.sequence}  ${head.hash}${head.sequence === 0 ? '' : `  ${formatTime(head.at)}`}`
  if (findingCount === 0) return `${summary}\n\n${end}\n\nthe ledger, the views and their history agree`
  return `${summary}\n\n${end}\n\n${formatColumns(
    ['WHERE', 'WHAT'],
    findings.map(({ place, detail }) => [place, detail]),
  )}${andMore(findingCount, findings)}`
}

function andMore(count: number, listed: readonly unknown[]): string {
  return count > listed.length ? `\nand ${count - listed.length} more` : ''
}

function blobsToText(
  { blobs, bytes, damaged, damagedCount, orphans, orphanCount }: BlobVerification,
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
  { blobs, bytes, damaged, damagedCount, orphans, orphanCount }: BlobVerification,
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
