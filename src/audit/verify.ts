import type { Db } from '../database/database.ts'
import { findState } from '../database/state-store.ts'
import { CheckpointCheck } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { auditEntry } from './audit-entry.ts'
import type { EntryRow } from './audit-entry.ts'
import { FIRST_HEAD } from '../ledger/chain.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import type { Freeze } from '../views/freeze.ts'
import { listCommonFreezes, parseFreezes } from '../revisions/freeze-store.ts'
import { listWrongCounts } from './wrong-count-store.ts'
import type { WrongCount } from './wrong-count-store.ts'
import { listWrongSizes } from './wrong-storage-store.ts'
import type { WrongSize } from './wrong-storage-store.ts'
import {
  listDifferingChanges,
  listWrongStates,
  openChangesRebuild,
  rebuildChange,
} from './rebuild-changes-store.ts'
import type { ChangesDb } from './rebuild-changes-store.ts'
import { listUpstreamOrigins } from '../origins/origin-store.ts'
import { listMarks } from '../releases/mark-store.ts'
import { listAnnounced } from '../releases/new-release-store.ts'
import { describeRelease } from '../package/ident.ts'
import { counted } from '../text/counted.ts'
import type { RebuiltMark } from './rebuilt-marks.ts'
import { RebuiltRetention, describeRetention } from './rebuilt-retention.ts'
import { RebuiltAnnouncements, describeAnnounced } from './rebuilt-announcements.ts'
import { RebuiltViews, rebuiltFreeze } from './rebuild.ts'
import type { RebuiltFreeze, RebuiltMember, RebuiltPointer, RebuiltView, Report } from './rebuild.ts'
import {
  insertRebuilt,
  listEntryRows,
  listWrongReleases,
  listDifferingLines,
  listDifferingMembers,
  listDifferingPointers,
  listViewRows,
  openRebuild,
} from './rebuild-store.ts'
import type { RebuildDb, RebuiltLine } from './rebuild-store.ts'

/** The result of {@link verifyDepot}. */
export interface Verification {
  /** The number of entries in the ledger. */
  readonly entries: number
  /** How many of the entries are promotions, which make revisions. */
  readonly promotions: number
  readonly views: number
  /** The number of rebuilt memberships and pointers, past and present. */
  readonly members: number
  readonly pointers: number
  /**
   * The end of the chain. Whoever keeps it can tell later whether history was rewritten: the ledger must
   * still have an entry with this sequence and hash. This function does not check that.
   */
  readonly head: LedgerHead
  /** The first {@link MAX_FINDINGS}. */
  readonly findings: readonly Finding[]
  /** The number of findings. Differing rows are counted only up to a limit. */
  readonly findingCount: number
}

/** A contradiction within the ledger, or between the ledger and the rows. */
export interface Finding {
  /**
   * An entry (`entry 12`), the name of a view, `every view`, `no view`, a change (`change ID`) or `the
   * depot`.
   */
  readonly place: string
  readonly detail: string
}

/** The maximum number of findings that are listed. */
export const MAX_FINDINGS = 100
const ENTRIES_IN_A_PAGE = 200
const ROWS_IN_A_STATEMENT = 500

/**
 * Recomputes the hash chain of the ledger, rebuilds from it every view, every change record and what
 * retention keeps, and compares these with the rows; views are compared at every revision. With a checkpoint,
 * whose signature the caller has verified, also checks that the ledger begins with the entries of the
 * checkpoint. Memory grows with the present size of the views and the number of marked releases, not with the
 * ledger. `db` must see one state of the database throughout, and nothing else may use it.
 */
export async function verifyDepot(db: Db, checkpoint?: Checkpoint): Promise<Verification> {
  const findings: Finding[] = []
  let findingCount = 0
  const report: Report = (place, detail) => {
    findingCount += 1
    if (findings.length < MAX_FINDINGS) findings.push({ place, detail })
  }
  const rebuildDb = await openRebuild(db)
  const rebuilt = new RebuiltViews(report)
  const retention = new RebuiltRetention()
  const announcements = new RebuiltAnnouncements()
  const upstreamOrigins = new Set<string>()
  const changesDb = await openChangesRebuild(db)
  const counts = { entries: 0, promotions: 0, members: 0, pointers: 0 }
  const storeEnded = async () => {
    const { members, pointers } = rebuilt.takeEnded()
    counts.members += members.length
    counts.pointers += pointers.length
    await insertInParts(rebuildDb, members, pointers)
  }

  let incarnation: string | undefined
  const check = checkpoint && new CheckpointCheck(checkpoint)
  const head = await auditEntries(db, report, {
    async take(event, row) {
      counts.entries += 1
      check?.take(row)
      if (event === undefined) return
      rebuilt.take(event, row)
      retention.take(event, row.at)
      announcements.take(event)
      if (event.kind === 'origin-adopted') upstreamOrigins.add(event.origin)
      if (event.kind === 'origin-disowned') upstreamOrigins.delete(event.origin)
      await rebuildChange(changesDb, event, row)
      if (event.kind === 'promotion') counts.promotions += 1
      if (event.kind === 'depot-restored') incarnation = event.incarnation
    },
    afterPage: storeEnded,
  })
  for (const view of rebuilt.views.values()) {
    rebuilt.finish(view)
    await storeEnded()
  }
  const broken = check?.fault(head)
  if (broken !== undefined) report('the checkpoint', broken)
  await compareIncarnation(db, incarnation, report)
  await compareViews(db, rebuilt.views, report)
  await compareCommonFreezes(db, rebuilt.freezes, report)
  await compareRows(rebuildDb, report)
  compareTexts(
    report,
    Array.from(rebuilt.marks.values(), describeMark),
    (await listMarks(db)).map(describeMark),
  )
  compareTexts(report, retention.values(), await describeRetention(db))
  compareTexts(report, announcements.values(), (await listAnnounced(db)).map(describeAnnounced))
  compareTexts(
    report,
    Array.from(upstreamOrigins, describeUpstreamOrigin),
    (await listUpstreamOrigins(db)).map(describeUpstreamOrigin),
  )
  await compareChanges(changesDb, report)
  for (const wrong of await listWrongCounts(db, MAX_FINDINGS + 1))
    report(wrong.view ?? 'the depot', describeWrongCount(wrong))
  for (const wrong of await listWrongSizes(db, MAX_FINDINGS + 1))
    report('the depot', describeWrongSize(wrong))
  return { ...counts, views: rebuilt.views.size, head, findings, findingCount }
}

/** Checks every entry, in order, and passes its event on. Returns the end of the chain. */
async function auditEntries(
  db: Db,
  report: Report,
  {
    take,
    afterPage,
  }: {
    take: (event: LedgerEvent | undefined, row: EntryRow) => Promise<void>
    afterPage: () => Promise<void>
  },
): Promise<LedgerHead> {
  let head = FIRST_HEAD
  for (
    let rows = await listEntryRows(db, { after: 0, limit: ENTRIES_IN_A_PAGE });
    rows.length > 0;
    rows = await listEntryRows(db, { after: head.sequence, limit: ENTRIES_IN_A_PAGE })
  ) {
    for (const row of rows) {
      const audited = auditEntry(row, head)
      for (const fault of audited.faults) report(`entry ${row.sequence}`, fault)
      await take(audited.event, row)
      head = audited.head
    }
    await afterPage()
  }
  return head
}

async function insertInParts(
  db: RebuildDb,
  members: readonly RebuiltMember[],
  pointers: readonly RebuiltPointer[],
): Promise<void> {
  for (let begin = 0; begin < Math.max(members.length, pointers.length); begin += ROWS_IN_A_STATEMENT) {
    const end = begin + ROWS_IN_A_STATEMENT
    await insertRebuilt(db, { members: members.slice(begin, end), pointers: pointers.slice(begin, end) })
  }
}

/** `recorded` is the incarnation of the last `depot-restored` entry. */
async function compareIncarnation(db: Db, recorded: string | undefined, report: Report): Promise<void> {
  const stored = await findState(db, 'incarnation')
  if (stored !== recorded)
    report(
      'the depot',
      `its incarnation is ${stored ?? 'absent'}, but that of the last depot-restored entry is ${recorded ?? 'absent'}`,
    )
}

async function compareViews(db: Db, views: ReadonlyMap<string, RebuiltView>, report: Report): Promise<void> {
  const rows = await listViewRows(db)
  for (const row of rows) {
    const view = views.get(row.name)
    if (view === undefined) {
      report(row.name, 'this view has a row, but no entry creates it')
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
    const stored = { ...row, freeze: textOfStored(parseFreezes(row.freeze)) }
    for (const [column, value] of Object.entries(expected)) {
      const found = stored[column as keyof typeof expected]
      if (found !== value)
        report(row.name, `its row has ${column} ${found ?? 'empty'}, but the ledger has ${value ?? 'empty'}`)
    }
  }
  const names = new Set(rows.map(({ name }) => name))
  for (const name of views.keys())
    if (!names.has(name)) report(name, 'the ledger creates this view, but it has no row')
}

async function compareCommonFreezes(
  db: Db,
  freezes: readonly RebuiltFreeze[],
  report: Report,
): Promise<void> {
  const [found, expected] = [textOfStored(await listCommonFreezes(db)), textOf(freezes)]
  if (found !== expected)
    report(
      'every view',
      `the rows have the freezes ${found ?? 'empty'}, but the ledger has ${expected ?? 'empty'}`,
    )
}

/** Formats freezes from rows with the fields that the ledger has. */
function textOfStored(freezes: readonly Freeze[]): string | null {
  return textOf(freezes.map((freeze) => rebuiltFreeze(freeze, freeze.since)))
}

function textOf(freezes: readonly RebuiltFreeze[]): string | null {
  return freezes.length === 0 ? null : JSON.stringify(freezes)
}

/** Compares descriptions of what the ledger says with those of the rows. */
function compareTexts(report: Report, rebuilt: Iterable<string>, rows: Iterable<string>): void {
  const [expected, found] = [new Set(rebuilt), new Set(rows)]
  for (const text of expected) if (!found.has(text)) report('the depot', `only the ledger has ${text}`)
  for (const text of found) if (!expected.has(text)) report('the depot', `only the rows have ${text}`)
}

/** Compares the members, pointers and lines of all views with the rows. */
async function compareRows(db: RebuildDb, report: Report): Promise<void> {
  const limit = MAX_FINDINGS + 1
  const reportDiffering = <Row extends { view: string | null }>(
    differing: { rebuilt: readonly Row[]; rows: readonly Row[] },
    describe: (row: Row) => string,
  ) => {
    for (const row of differing.rebuilt) report(row.view ?? 'no view', `only the ledger has ${describe(row)}`)
    for (const row of differing.rows) report(row.view ?? 'no view', `only the rows have ${describe(row)}`)
  }
  reportDiffering(await listDifferingMembers(db, limit), describeMember)
  reportDiffering(await listDifferingPointers(db, limit), describePointer)
  reportDiffering(await listDifferingLines(db, limit), describeLine)
  for (const { view, ident, revision } of await listWrongReleases(db, limit)) {
    report(
      view,
      `the row of ${ident} that begins at revision ${revision} refers to a release that was not a member then, for example a deleted one with the same ident`,
    )
  }
}

async function compareChanges(db: ChangesDb, report: Report): Promise<void> {
  for (const { record, isOfLedger, what } of await listDifferingChanges(db, MAX_FINDINGS + 1))
    report(`change ${record}`, `only ${isOfLedger ? 'the ledger has' : 'the rows have'} ${what}`)
  for (const record of await listWrongStates(db, MAX_FINDINGS + 1))
    report(`change ${record}`, 'its state is not the one that follows from its phases')
}

function describeWrongCount({ kind, package: name, idents, publicIdents }: WrongCount): string {
  const counts = `${counted(idents, 'ident')} of ${name}, ${publicIdents} of them public`
  return kind === 'stored'
    ? `the stored count is ${counts}, which is wrong`
    : `there ${idents === 1 ? 'is' : 'are'} ${counts}, but the stored count differs`
}

function describeWrongSize({ kind, origin, package: name, month, releases, bytes }: WrongSize): string {
  const place = origin === undefined ? '' : ` of ${name === undefined ? origin : `${origin}/${name}`}`
  const sizes = `${counted(releases, 'release')}${place} with ${counted(bytes, 'byte')} of ${month}`
  return kind === 'stored'
    ? `the stored size is ${sizes}, which is wrong`
    : `there ${releases === 1 ? 'is' : 'are'} ${sizes}, but the stored size differs`
}

function describeUpstreamOrigin(origin: string): string {
  return `${origin} as an upstream origin`
}

function describeMark({ mark, reason, since, ...release }: RebuiltMark): string {
  return `${describeRelease(release)} as ${mark} since ${new Date(since).toISOString()}: ${reason}`
}

function describeMember(row: RebuiltMember): string {
  return `the member ${row.release} of ${row.package}, ${describeSpan(row)}, in place ${row.position}${row.is_skipped === 1 ? ', skipped by latest' : ''}`
}

function describePointer(row: RebuiltPointer): string {
  return `latest of ${row.package} ${row.target} at ${row.release}, ${describeSpan(row)}`
}

function describeLine({ package: name, target, packageOfId }: RebuiltLine): string {
  return `the line ${name} ${target}${packageOfId === name ? '' : `, whose row refers to the package ${packageOfId}`}`
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
