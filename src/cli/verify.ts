import { verifyBlobs } from '../audit/verify-blobs.ts'
import type { BlobVerification } from '../audit/verify-blobs.ts'
import { formatColumns, formatTime } from '../text/columns.ts'
import { readConfig } from '../config.ts'
import { openSnapshot } from '../database/database.ts'
import type { Db } from '../database/database.ts'
import { HashThreads } from '../hart/hash-threads.ts'
import { verifyDepot } from '../audit/verify.ts'
import type { Verification } from '../audit/verify.ts'
import { readDepot } from './read-depot.ts'
import { optionsAlone } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'

export const verify: Subcommand = {
  usage: '[--bytes] [--json]',
  summary:
    'recompute the ledger, rebuild every view from it, compare rows and files: exit code 1 where anything differs',
  details: [
    'Works beside a running server, and reads one state of the depot. Note the head that it shows: as long as the ledger still has',
    'that hash at that sequence, nothing before it was changed.',
    'The file of each package must be there and have its size; with --bytes it is read, and must have its checksum. Files that no',
    'release needs are listed; the depot takes them away by itself.',
  ],
  async run(args) {
    const values = optionsAlone(args, {
      bytes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const config = readConfig()
    const ledger = await readDepot(config, verifyDepot, openSnapshot)
    const files = await readDepot(config, (db) => verifyFiles(db, config.blobFolder, values.bytes))
    console.log(
      values.json
        ? JSON.stringify({ ...toJson(ledger), ...blobsToJson(files, values.bytes) }, undefined, 2)
        : [toText(ledger), blobsToText(files, values.bytes)].join('\n\n'),
    )
    const count = ledger.findingCount + files.damagedCount
    if (count > 0) throw new DepotDiffers(count)
  },
}

async function verifyFiles(db: Db, folder: string, isRead: boolean): Promise<BlobVerification> {
  const hashes = new HashThreads()
  try {
    return await verifyBlobs(db, folder, isRead ? hashes : undefined)
  } finally {
    await hashes.close()
  }
}

/** What was found is told: exit code 1. */
class DepotDiffers extends Error {
  readonly code = 'ERR_DEPOT_DIFFERS'

  constructor(count: number) {
    super(
      `the ledger and the depot differ in ${count === 1 ? 'one place' : `${count} places`}, as told above`,
    )
  }
}

function toText({ findings, findingCount, head, ...counts }: Verification): string {
  const { entries, promotions, views, members, pointers } = counts
  const summary = formatColumns(
    ['ENTRIES', 'PROMOTIONS', 'VIEWS', 'MEMBERSHIPS', 'POINTERS'],
    [[entries, promotions, views, members, pointers].map(String)],
  )
  const end = `head ${head.sequence}  ${head.hash}${head.sequence === 0 ? '' : `  ${formatTime(head.at)}`}`
  if (findingCount === 0) return `${summary}\n\n${end}\n\nthe ledger, the views and their past agree`
  return `${summary}\n\n${end}\n\n${formatColumns(
    ['WHERE', 'WHAT'],
    findings.map(({ place, detail }) => [place, detail]),
  )}${andMore(findingCount, findings)}`
}

function andMore(count: number, told: readonly unknown[]): string {
  return count > told.length ? `\nand ${count - told.length} more` : ''
}

function blobsToText(
  { blobs, bytes, damaged, damagedCount, orphans, orphanCount }: BlobVerification,
  isRead: boolean,
): string {
  const sound = `${blobs === 1 ? 'one package has its file' : `${blobs} packages have their files`}, ${bytes} bytes, ${isRead ? 'with the right checksums' : 'of the right sizes; --bytes reads them, too'}`
  const sections = [
    damagedCount === 0
      ? sound
      : `${formatColumns(
          ['FILE', 'IS', 'OF'],
          damaged.map(({ checksum, damage, idents }) => [checksum, damage, idents.join(' ')]),
        )}${andMore(damagedCount, damaged)}`,
  ]
  if (orphanCount > 0)
    sections.push(
      `${formatColumns(
        ['BYTES', 'NO RELEASE NEEDS'],
        orphans.map(({ path, sizeBytes }) => [String(sizeBytes), path]),
      )}${andMore(orphanCount, orphans)}`,
    )
  return sections.join('\n\n')
}

function blobsToJson(
  { blobs, bytes, damaged, damagedCount, orphans, orphanCount }: BlobVerification,
  isRead: boolean,
): object {
  return {
    packages: blobs,
    package_bytes: bytes,
    bytes_read: isRead,
    damaged: damaged.map(({ checksum, damage, idents }) => ({ checksum, damage, idents })),
    damaged_in_all: damagedCount,
    orphans: orphans.map(({ path, sizeBytes }) => ({ file: path, size: sizeBytes })),
    orphans_in_all: orphanCount,
  }
}

function toJson({ findings, findingCount, head, ...counts }: Verification): object {
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
