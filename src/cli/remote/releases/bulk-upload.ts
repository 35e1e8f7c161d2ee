import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DepotClient } from '../../../client/client.ts'
import { hartFileName, parseIdent } from '../../../package/ident.ts'
import { UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import type { Output } from '../../output.ts'
import { transferProgress } from './transfer-progress.ts'

// Writes a folder for `hab pkg bulkupload`, which sends the keys and packages in it to a Builder:
//
//   keys/{origin}-{revision}.pub
//   artifacts/{origin}-{name}-{version}-{release}-{target}.hart
//   promotions.sh                     to run afterwards: creates channels, and promotes the releases of views

/** The channels that every origin of a Builder has. */
const CHANNELS_OF_BUILDER: readonly string[] = ['stable', 'unstable']
const UNSTABLE = 'unstable'
const EXECUTABLE = 0o755

/** The numbers of things in an exported folder. */
export interface BulkUpload {
  readonly folder: string
  readonly keys: number
  readonly packages: number
  /** The number of packages that an earlier run had downloaded. */
  readonly present: number
  /** The number of promotions in `promotions.sh`. */
  readonly promotions: number
}

interface Exported {
  readonly ident: string
  readonly target: string
}

/**
 * Writes the keys and packages of origins to a folder, and a script that promotes the packages. Does not
 * download a package again if the folder has a file of its size. For a view with the rule `promoted`, the
 * script promotes only the release that is `latest` of each package, because a Builder's channel always
 * answers with its highest version. Throws a {@link UsageError} without origins, the errors of the client,
 * and errors of the disk.
 */
export async function exportBulkUpload(
  { depot, io, out, quiet }: { depot: DepotClient; io: Io; out: Output; quiet: boolean | undefined },
  { folder, origins }: { folder: string; origins: readonly string[] },
): Promise<BulkUpload> {
  if (origins.length === 0) throw new UsageError('--bulkupload needs --origin')
  await mkdir(join(folder, 'keys'), { recursive: true })
  await mkdir(join(folder, 'artifacts'), { recursive: true })
  const count = { keys: 0, packages: 0, present: 0, promotions: 0 }
  const isPrivate: string[] = []
  for (const origin of origins) {
    for await (const { key, revision } of depot.each('listOriginKeys', { origin })) {
      const { file } = await depot.getOriginKey({ origin, revision })
      await writeFile(join(folder, 'keys', `${key}.pub`), file)
      count.keys += 1
    }
    for await (const { package: full } of depot.each('listPackages', { origin })) {
      const name = full.slice(origin.length + 1)
      for await (const { ident, target, visibility, size_bytes: sizeBytes } of depot.each('listReleases', {
        origin,
        name,
      })) {
        const fileName = hartFileName(parseIdent(ident), target)
        const file = join(folder, 'artifacts', fileName)
        count.packages += 1
        if (visibility !== 'public') isPrivate.push(ident)
        if ((await sizeOf(file)) === sizeBytes) {
          count.present += 1
          continue
        }
        const progress = transferProgress(io, { quiet }, { name: fileName, totalBytes: sizeBytes })
        try {
          const { version, release } = parseIdent(ident)
          await depot.downloadFile({ origin, name, version, release, target }, file, {
            signal: io.signal,
            onProgress: (bytes) => progress.show(bytes),
          })
        } finally {
          progress.end()
        }
      }
    }
  }
  const lines: string[] = []
  for await (const { name: view } of depot.each('listViews', {})) {
    const { rule, preview_of: base, closed_at: closedAt } = await depot.getView({ view })
    if (view === UNSTABLE || base !== null || closedAt !== null) continue
    for (const origin of origins) {
      const list = rule === 'promoted' ? 'listContent' : 'listMembers'
      const members: Exported[] = await Array.fromAsync(depot.each(list, { view, origin }))
      if (members.length === 0) continue
      if (!CHANNELS_OF_BUILDER.includes(view))
        lines.push(
          `hab bldr channel create --origin ${quoted(origin)} ${quoted(view)} || true # it may exist`,
        )
      for (const { ident, target } of members)
        lines.push(`hab pkg promote ${quoted(ident)} ${quoted(view)} ${quoted(target)}`)
      count.promotions += members.length
    }
  }
  await writeFile(join(folder, 'promotions.sh'), ['#!/bin/sh', 'set -e', ...lines, ''].join('\n'), {
    mode: EXECUTABLE,
  })
  if (isPrivate.length > 0)
    out.note(
      `${isPrivate.length} releases are private. A Builder publishes them with the default visibility of their origin: set that before the upload.`,
    )
  return { folder, ...count }
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size
}

/** Quotes a word for a POSIX shell, if it needs quotes. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
