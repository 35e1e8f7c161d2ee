import { randomBytes } from 'node:crypto'
import pino from 'pino'
import type { Actor } from '../access/access.ts'
import { formatBytes, formatColumns } from '../text/columns.ts'
import { readConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { findState } from '../database/state-store.ts'
import { openDepot } from '../depot/open.ts'
import type { Depot } from '../depot/open.ts'
import { DepotError, quote } from '../errors.ts'
import { formatIdent } from '../package/ident.ts'
import { adoptOrphan, describeOrphan, discardOrphan, findStrays, readOrphan } from '../publishing/orphans.ts'
import { UsageError, optionsAlone } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { expectDepot } from './data-folder.ts'

const ALL = 'all'
const SHORTEST_CHECKSUM = 6

export const restored: Subcommand = {
  usage: '[--list | --adopt CHECKSUM… | --discard CHECKSUM…]',
  summary:
    'begin a new history after the database was put back to an older copy; with the server stopped, and before it starts',
  details: [
    'Without an option: notes in the ledger that the history begins anew, so that whoever read on in the lost one is refused, and shows',
    'the packages that the copy does not know. Until each of them was adopted or discarded, bytes that no release needs are kept.',
    '--list              shows them',
    '--adopt CHECKSUM    publishes one of them as a private release, by the checks of any upload; or "all"',
    '--discard CHECKSUM  removes the file; or "all". The first characters of a checksum are enough',
  ],
  async run(args) {
    const several = { type: 'string', multiple: true, default: [] } satisfies {
      type: 'string'
      multiple: true
      default: string[]
    }
    const values = optionsAlone(args, {
      list: { type: 'boolean', default: false },
      adopt: several,
      discard: several,
    })
    const asked = [values.list, values.adopt.length > 0, values.discard.length > 0].filter(Boolean).length
    if (asked > 1) throw new UsageError('one of --list, --adopt and --discard at a time')
    await withDepot(readConfig(), async (depot) => {
      if (asked === 0) await begin(depot)
      else if (!values.list) await settle(depot, values)
      await show(depot)
    })
  },
}

const ACTOR: Actor = {
  client: `hart-depot command line, uid ${process.getuid?.() ?? 'unknown'}`,
  door: 'cli',
}

async function withDepot(config: Config, act: (depot: Depot) => Promise<void>): Promise<void> {
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

async function begin({ writer }: Depot): Promise<void> {
  const incarnation = randomBytes(8).toString('hex')
  await writer.submit({ kind: 'noteRestored', input: { incarnation }, actor: ACTOR })
  console.log(
    `A new history begins: ${incarnation}. Tokens and roles that were taken away after the copy was made are good again: see hart-depot token list.\n`,
  )
}

/** Adopts or discards; what is refused is told, and stays. Throws `not_found` for a checksum that no file has, and where any was refused. */
async function settle(
  depot: Depot,
  { adopt, discard }: { adopt: string[]; discard: string[] },
): Promise<void> {
  if ((await findState(depot.db, 'orphans_kept_since')) === undefined)
    throw new DepotError(
      'conflict',
      'the depot is not one that was put back to an older copy: hart-depot restored, without an option, says that it is',
    )
  const { orphans } = await findStrays(depot)
  let refused = 0
  for (const checksum of pick(orphans, [...adopt, ...discard])) {
    try {
      if (discard.length > 0) await discardOrphan(depot, checksum, ACTOR)
      const content = discard.length > 0 ? undefined : await adoptOrphan(depot, checksum, ACTOR)
      console.log(
        `${checksum}  ${content === undefined ? 'discarded' : `${formatIdent(content.ident)} for ${content.target} is published, as private`}`,
      )
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      refused += 1
      console.error(`${checksum}  ${error.message}`)
    }
  }
  if (refused > 0)
    throw new DepotError(
      'refused',
      `${refused === 1 ? 'one file was' : `${refused} files were`} not adopted, as told above: mend the cause (an origin or a key that the copy does not have), or discard them`,
    )
  console.log()
}

async function show(depot: Depot): Promise<void> {
  const { orphans, missing } = await findStrays(depot)
  if (missing.length > 0)
    console.log(
      `${formatColumns(
        ['MISSING'],
        missing.map((checksum) => [checksum]),
      )}\n\nReleases with these checksums were deleted after the copy was made: their bytes are gone.\n`,
    )
  if (orphans.length === 0) {
    await depot.writer.submit({ kind: 'noteOrphansSettled', input: {}, actor: ACTOR })
    console.log('Every file among the packages is one that a release needs. The server may start.')
    return
  }
  const rows: string[][] = []
  for (const checksum of orphans) {
    const orphan = await readOrphan(depot, checksum)
    rows.push([checksum, formatBytes(orphan.sizeBytes), describeOrphan(orphan)])
  }
  console.log(
    `${formatColumns(['CHECKSUM', 'SIZE', 'WHAT IT IS'], rows)}\n\nNo release needs these files. hart-depot restored --adopt CHECKSUM publishes one as private, --discard CHECKSUM removes it; all of them: "all".`,
  )
  console.log('The server may start; until they are settled, no bytes are collected.')
}

function pick(orphans: readonly string[], asked: readonly string[]): string[] {
  if (asked.includes(ALL)) return [...orphans]
  return asked.map((text) => {
    const [found, ...others] =
      text.length < SHORTEST_CHECKSUM ? [] : orphans.filter((checksum) => checksum.startsWith(text))
    if (found === undefined || others.length > 0)
      throw new DepotError(
        'not_found',
        `${others.length > 0 ? 'several files' : 'no file'} that no release needs ${others.length > 0 ? 'have' : 'has'} the checksum ${quote(text)}: hart-depot restored --list shows them`,
      )
    return found
  })
}
