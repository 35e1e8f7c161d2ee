import type { Db } from '../database/database.ts'
import { findState } from '../database/state-store.ts'
import { auditEntry } from './audit-entry.ts'
import { FIRST_HEAD } from '../ledger/chain.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import type { Freeze } from '../views/freeze.ts'
import { listCommonFreezes, parseFreezes } from '../revisions/freeze-store.ts'
import { Refold, refoldedFreeze } from './refold.ts'
import type { RefoldedFreeze, RefoldedMember, RefoldedPointer, RefoldedView, Tell } from './refold.ts'
import {
  insertRefolded,
  listEntryRows,
  listMisplaced,
  listUnlikeLines,
  listUnlikeMembers,
  listUnlikePointers,
  listViewRows,
  openRefold,
} from './refold-store.ts'
import type { RefoldDb, RefoldedLine } from './refold-store.ts'

export interface Verification {
  readonly entries: number
  readonly promotions: number
  readonly views: number
  /** Memberships and places of pointers, past and present, that the ledger makes. */
  readonly members: number
  readonly pointers: number
  /** The end of the chain: who noted one before finds it in the ledger still, as that entry's hash. */
  readonly head: LedgerHead
  /** The first {@link MOST_FINDINGS}. */
  readonly findings: readonly Finding[]
  /** Of very many, as many as were counted. */
  readonly findingCount: number
}

/** Where the ledger disagrees with itself or with the rows. */
export interface Finding {
  /** `entry 12`, the view of this name, or the depot. */
  readonly place: string
  readonly detail: string
}

export const MOST_FINDINGS = 100
const ENTRIES_IN_A_PAGE = 200
const ROWS_IN_A_STATEMENT = 500

/**
 * Recomputes the chain of the ledger, refolds every view from it, and compares what comes out with the rows, at every revision.
 * Memory grows with what is in the views at once, not with the ledger. `db` must see one state of the database all the time, and be
 * the caller's alone.
 */
export async function verifyDepot(db: Db): Promise<Verification> {
  const findings: Finding[] = []
  let findingCount = 0
  const tell: Tell = (place, detail) => {
    findingCount += 1
    if (findings.length < MOST_FINDINGS) findings.push({ place, detail })
  }
  const beside = await openRefold(db)
  const refold = new Refold(tell)
  const counts = { entries: 0, promotions: 0, members: 0, pointers: 0 }
  const keep = async () => {
    const { members, pointers } = refold.takeEnded()
    counts.members += members.length
    counts.pointers += pointers.length
    for (let begin = 0; begin < Math.max(members.length, pointers.length); begin += ROWS_IN_A_STATEMENT) {
      const end = begin + ROWS_IN_A_STATEMENT
      await insertRefolded(beside, {
        members: members.slice(begin, end),
        pointers: pointers.slice(begin, end),
      })
    }
  }

  let head = FIRST_HEAD
  let incarnation: string | undefined
  for (
    let rows = await listEntryRows(db, { after: 0, limit: ENTRIES_IN_A_PAGE });
    rows.length > 0;
    rows = await listEntryRows(db, { after: head.sequence, limit: ENTRIES_IN_A_PAGE })
  ) {
    for (const row of rows) {
      const audited = auditEntry(row, head)
      for (const fault of audited.faults) tell(`entry ${row.sequence}`, fault)
      if (audited.event !== undefined) refold.take(audited.event, row)
      head = audited.head
      counts.entries += 1
      if (audited.event?.kind === 'promotion') counts.promotions += 1
      if (audited.event?.kind === 'depot-restored') incarnation = audited.event.incarnation
    }
    await keep()
  }
  for (const view of refold.views.values()) {
    refold.finish(view)
    await keep()
  }
  const called = await findState(db, 'incarnation')
  if (called !== incarnation)
    tell(
      'the depot',
      `it calls its history ${called ?? 'nothing'}, and the last depot-restored calls it ${incarnation ?? 'nothing'}`,
    )
  await compareViews(db, refold.views, tell)
  await compareCommonFreezes(db, refold.freezes, tell)
  await compareRows(beside, tell)
  return { ...counts, views: refold.views.size, head, findings, findingCount }
}

async function compareViews(db: Db, views: ReadonlyMap<string, RefoldedView>, tell: Tell): Promise<void> {
  const rows = await listViewRows(db)
  for (const row of rows) {
    const view = views.get(row.name)
    if (view === undefined) {
      tell(row.name, 'there is a row of this view, and no entry that makes it')
      continue
    }
    const {
      rule,
      pastRules,
      ungoverned,
      maker,
      revision,
      createdAt,
      closedAt = null,
      gates,
      freezes,
      base = null,
    } = view
    const expected = {
      rule,
      past_rules: pastRules,
      ungoverned,
      maker,
      revision,
      created_at: createdAt,
      closed_at: closedAt,
      gates,
      freeze: textOf(freezes),
      base,
    }
    const found = { ...row, freeze: storedText(parseFreezes(row.freeze)) }
    for (const [column, value] of Object.entries(expected)) {
      const is = found[column as keyof typeof expected]
      if (is !== value)
        tell(row.name, `its row has ${column} ${is ?? 'empty'}, and the ledger ${value ?? 'empty'}`)
    }
  }
  const names = new Set(rows.map(({ name }) => name))
  for (const name of views.keys())
    if (!names.has(name)) tell(name, 'the ledger makes this view, and there is no row of it')
}

async function compareCommonFreezes(db: Db, freezes: readonly RefoldedFreeze[], tell: Tell): Promise<void> {
  const [is, value] = [storedText(await listCommonFreezes(db)), textOf(freezes)]
  if (is !== value)
    tell('every view', `the rows have its freezes ${is ?? 'empty'}, and the ledger ${value ?? 'empty'}`)
}

/** What of freezes stands in the ledger. */
function storedText(freezes: readonly Freeze[]): string | null {
  return textOf(freezes.map((freeze) => refoldedFreeze(freeze, freeze.since)))
}

function textOf(freezes: readonly RefoldedFreeze[]): string | null {
  return freezes.length === 0 ? null : JSON.stringify(freezes)
}

async function compareRows(db: RefoldDb, tell: Tell): Promise<void> {
  const limit = MOST_FINDINGS + 1
  const tellUnlike = <Row extends { view: string | null }>(
    unlike: { refolded: readonly Row[]; rows: readonly Row[] },
    describe: (row: Row) => string,
  ) => {
    for (const row of unlike.refolded) tell(row.view ?? 'no view', `only the ledger has ${describe(row)}`)
    for (const row of unlike.rows) tell(row.view ?? 'no view', `only the rows have ${describe(row)}`)
  }
  tellUnlike(await listUnlikeMembers(db, limit), describeMember)
  tellUnlike(await listUnlikePointers(db, limit), describePointer)
  tellUnlike(await listUnlikeLines(db, limit), describeLine)
  for (const { view, ident, revision } of await listMisplaced(db, limit)) {
    tell(
      view,
      `the row of ${ident} from revision ${revision} is of another release of this ident, which was not there then`,
    )
  }
}

function describeMember(row: RefoldedMember): string {
  return `the member ${row.release} of ${row.package}, ${describeSpan(row)}, in place ${row.position}`
}

function describePointer(row: RefoldedPointer): string {
  return `latest of ${row.package} ${row.target} at ${row.release}, ${describeSpan(row)}`
}

function describeLine({ package: name, target, meant }: RefoldedLine): string {
  return `the line ${name} ${target}${meant === name ? '' : `, of the package ${meant}`}`
}

function describeSpan({
  from_revision: from,
  to_revision: to,
}: {
  from_revision: number
  to_revision: number | null
}): string {
  return to === null ? `from revision ${from} on` : `from revision ${from} until ${to}`
}
