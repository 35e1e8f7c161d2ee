import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { CLI_ACTOR } from '../submit.ts'
import { formatBytes, formatColumns } from '../../../text/columns.ts'
import { findState } from '../../../database/state-store.ts'
import { openDepot } from '../../../depot/open.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError, quote } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import {
  adoptOrphan,
  describeOrphan,
  discardOrphan,
  listStrays,
  readOrphan,
} from '../../../publishing/orphans.ts'
import { collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectDepot, readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'

const ALL = 'all'
const MIN_CHECKSUM_LENGTH = 6

export const restored: Define = (command, io) =>
  outputOptions(command)
    .option('--list', 'list the orphans')
    .option(
      '--adopt <checksum>',
      `publish an orphan as a private release, after the checks of any upload; "all" for every orphan`,
      collect,
    )
    .option('--discard <checksum>', 'delete an orphan; "all" for every orphan', collect)
    .addHelpText(
      'after',
      `${examples([
        ['restored', 'start a new history after the database was restored, and list the orphans'],
        ['restored --adopt 1f6c3a --adopt 2b77e0', 'publish two of them as private releases'],
      ])}

Without an option, it records in the ledger that a new history starts here, so that clients with a position in the lost history get an
error. Orphans are package files that no release in the restored database needs; the first six characters of a checksum are enough to name
one. The depot deletes no files until each orphan is adopted or discarded. The server must not run meanwhile.`,
    )
    .action(async ({ list = false, adopt = [], discard = [], ...outputs }) => {
      const options = [list, adopt.length > 0, discard.length > 0].filter(Boolean).length
      if (options > 1) throw new UsageError('--list, --adopt and --discard cannot be combined')
      const out = new Output(io, outputs)
      await withDepot(readLocalConfig(io), async (depot) => {
        const incarnation = options === 0 ? await startNewHistory(depot, out) : null
        const settled = adopt.length + discard.length
        const done = settled === 0 ? [] : await adoptOrDiscard(depot, { adopt, discard }, { io, out })
        const { missing, orphans } = await reportStrays(depot, out)
        out.show({ incarnation, done, missing, orphans }, { whole: () => '', brief: () => [...orphans] })
      })
    })

async function withDepot(config: LocalConfig, act: (depot: Depot) => Promise<void>): Promise<void> {
  expectDepot(config, 'write')
  const depot = await openDepot(config, {
    log: pino({ level: 'silent' }),
    inProcess: true,
    keepsBlobs: true,
  }).catch((error: unknown) => {
    if (!(error instanceof DepotError) || error.code !== 'data_in_use') throw error
    throw new DepotError('data_in_use', `${error.message}: stop it first`, { cause: error })
  })
  try {
    await act(depot)
  } finally {
    await depot.close()
  }
}

async function startNewHistory({ writer }: Depot, out: Output): Promise<string> {
  const incarnation = randomBytes(8).toString('hex')
  await writer.submit({ kind: 'recordRestore', input: { incarnation }, actor: CLI_ACTOR })
  out.print(
    `A new history starts: ${incarnation}. Tokens and roles that were revoked after the backup are valid again: see hart-depot token list.\n`,
  )
  return incarnation
}

/**
 * Adopts or discards orphans, and returns which, with the ident of each that was adopted. Prints why an
 * orphan cannot be adopted, and continues with the next. Throws `not_found` for an unknown checksum, and
 * `refused` at the end if an orphan was not adopted.
 */
async function adoptOrDiscard(
  depot: Depot,
  { adopt, discard }: { adopt: string[]; discard: string[] },
  { io, out }: { io: Io; out: Output },
): Promise<{ checksum: string; ident: string | null }[]> {
  if ((await findState(depot.db, 'orphans_kept_since')) === undefined)
    throw new DepotError(
      'conflict',
      'the depot was not marked as restored: run hart-depot restored without an option first',
    )
  const { orphans } = await listStrays(depot)
  const done: { checksum: string; ident: string | null }[] = []
  let refused = 0
  for (const checksum of orphansOf(orphans, [...adopt, ...discard])) {
    try {
      if (discard.length > 0) await discardOrphan(depot, checksum, CLI_ACTOR)
      const content = discard.length > 0 ? undefined : await adoptOrphan(depot, checksum, CLI_ACTOR)
      const ident = content === undefined ? null : formatIdent(content.ident)
      done.push({ checksum, ident })
      out.print(
        `${checksum}  ${content === undefined ? 'discarded' : `published ${ident} for ${content.target} as private`}`,
      )
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      refused += 1
      io.stderr.write(`${checksum}  ${error.message}\n`)
    }
  }
  if (refused > 0)
    throw new DepotError(
      'refused',
      `${refused === 1 ? 'one file was' : `${refused} files were`} not adopted (see above): add the missing origin or key, or discard the files`,
    )
  out.print('')
  return done
}

/**
 * Prints and returns missing blobs and orphans. Without orphans, the depot may remove unneeded blobs again.
 */
async function reportStrays(
  depot: Depot,
  out: Output,
): Promise<{ missing: readonly string[]; orphans: readonly string[] }> {
  const { orphans, missing } = await listStrays(depot)
  if (missing.length > 0)
    out.print(
      `${formatColumns(
        ['MISSING'],
        missing.map((checksum) => [checksum]),
      )}\n\nThe files of these releases are gone: the releases were deleted after the backup.\n`,
    )
  if (orphans.length === 0) {
    await depot.writer.submit({ kind: 'resumeCollection', input: {}, actor: CLI_ACTOR })
    out.print('There are no orphans. The server may start.')
    return { missing, orphans }
  }
  const rows: string[][] = []
  for (const checksum of orphans) {
    const orphan = await readOrphan(depot, checksum)
    rows.push([
      checksum,
      orphan.sizeBytes === undefined ? '?' : formatBytes(orphan.sizeBytes),
      describeOrphan(orphan),
    ])
  }
  out.print(
    `${formatColumns(['CHECKSUM', 'SIZE', 'CONTENT'], rows)}\n\nNo release needs these files. hart-depot restored --adopt CHECKSUM publishes one as private; --discard CHECKSUM deletes it. "all" means every file.`,
  )
  out.print('The server may start. It deletes no package files until all of these are adopted or discarded.')
  return { missing, orphans }
}

/**
 * Returns the orphans whose checksums start with these texts, or all of them for `all`. Throws `not_found`.
 */
function orphansOf(orphans: readonly string[], prefixes: readonly string[]): string[] {
  if (prefixes.includes(ALL)) return [...orphans]
  return prefixes.map((text) => {
    const [found, ...others] =
      text.length < MIN_CHECKSUM_LENGTH ? [] : orphans.filter((checksum) => checksum.startsWith(text))
    if (found === undefined || others.length > 0)
      throw new DepotError(
        'not_found',
        `${others.length > 0 ? 'several orphans have checksums that start' : 'no orphan has a checksum that starts'} with ${quote(text)}: see hart-depot restored --list`,
      )
    return found
  })
}
