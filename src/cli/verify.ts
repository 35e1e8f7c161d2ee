import { parseArgs } from 'node:util'
import { formatColumns, formatTime } from '../columns.ts'
import { readConfig } from '../config.ts'
import { openSnapshot } from '../database/database.ts'
import { verifyDepot } from '../ledger/verify.ts'
import type { Verification } from '../ledger/verify.ts'
import { readDepot } from './read.ts'
import type { Subcommand } from './subcommand.ts'

export const verify: Subcommand = {
  usage: '[--json]',
  summary: 'recompute the ledger, refold every view from it, and compare: exit code 1 where anything differs',
  details: [
    'Works beside a running server, and reads one state of the depot. Note the head that it shows: as long as the ledger still has',
    'that hash at that sequence, nothing before it was changed.',
  ],
  async run(args) {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
    const verification = await readDepot(readConfig(), verifyDepot, openSnapshot)
    console.log(values.json ? JSON.stringify(toJson(verification), undefined, 2) : toText(verification))
    if (verification.findingCount > 0) throw new DepotDiffers(verification.findingCount)
  },
}

/** What was found is told: exit code 1. */
class DepotDiffers extends Error {
  readonly code = 'ERR_DEPOT_DIFFERS'

  constructor(count: number) {
    super(`the ledger and the depot differ in ${count === 1 ? 'one place' : `${count} places`}, as told above`)
  }
}

function toText({ findings, findingCount, head, ...counts }: Verification): string {
  const { entries, promotions, views, members, pointers } = counts
  const summary = formatColumns(['ENTRIES', 'PROMOTIONS', 'VIEWS', 'MEMBERSHIPS', 'POINTERS'], [[entries, promotions, views, members, pointers].map(String)])
  const end = `head ${head.sequence}  ${head.hash}${head.sequence === 0 ? '' : `  ${formatTime(head.at)}`}`
  if (findingCount === 0) return `${summary}\n\n${end}\n\nthe ledger, the views and their past agree`
  const more = findingCount > findings.length ? `\nand ${findingCount - findings.length} more` : ''
  return `${summary}\n\n${end}\n\n${formatColumns(['WHERE', 'WHAT'], findings.map(({ place, detail }) => [place, detail]))}${more}`
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
