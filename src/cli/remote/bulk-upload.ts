import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DepotClient } from '../../client/client.ts'
import { hartFileName, parseIdent } from '../../package/ident.ts'
import { UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import { transferProgress } from './transfer-progress.ts'

// The folder that `hab pkg bulkupload` sends to a Builder, and what that command does not do:
//
//   keys/{origin}-{revision}.pub
//   artifacts/{origin}-{name}-{version}-{release}-{target}.hart
//   promotions.sh                     creates channels, and promotes what is in each view

/** The channels that every origin of a Builder has. */
const CHANNELS_OF_BUILDER: readonly string[] = ['stable', 'unstable']
const UNSTABLE = 'unstable'
const EXECUTABLE = 0o755

export interface BulkUpload {
  readonly folder: string
  readonly keys: number
  readonly packages: number
  /** How many of the packages were there from an earlier run. */
  readonly present: number
  readonly promotions: number
}

interface Exported {
  readonly ident: string
  readonly target: string
}

/**
 * Writes packages of origins to a folder. A package that is complete from an earlier run is not downloaded
 * again. In views whose `latest` is the release promoted last, only that one is promoted, because `latest` of
 * a Builder's channel is always the highest version in it.
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

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
