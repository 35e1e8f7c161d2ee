import type { Db } from '../database/database.ts'
import { emptyFold, foldPromotion, latestOf } from '../views/fold.ts'
import type { Fold, FoldedMember, FoldedPointer } from '../views/fold.ts'
import type { ViewMaker, ViewRule } from '../views/view.ts'
import { auditEntry } from './audit-entry.ts'
import { FIRST_HEAD } from './chain.ts'
import type { LedgerHead } from './chain.ts'
import type { LedgerEvent, Promotion } from './entry.ts'
import { insertRefolded, listEntryRows, listMisplaced, listUnlikeLines, listUnlikeMembers, listUnlikePointers, listViewRows, openRefold } from './refold-store.ts'
import type { RefoldDb, RefoldedLine, RefoldedMember, RefoldedPointer } from './refold-store.ts'

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
  /** Of more than are listed, as many as were counted. */
  readonly findingCount: number
}

/** Where the ledger disagrees with itself or with the rows. */
export interface Finding {
  /** `entry 12`, or the view of this name. */
  readonly place: string
  readonly detail: string
}

/** A view as the ledger makes it. */
interface RefoldedView {
  readonly name: string
  readonly createdAt: number
  rule: ViewRule
  maker: ViewMaker
  closedAt: number | undefined
  revision: number
  readonly fold: Fold
}

export const MOST_FINDINGS = 100
const ENTRIES_IN_A_PAGE = 200
const ROWS_IN_A_PIECE = 500

/**
 * Recomputes the chain of the ledger, refolds every view from it, and compares what comes out with the rows, at every revision.
 * Memory does not grow with the ledger, only with what is in the views at once. `db` must see one state of the database all the time, and be
 * the caller's alone.
 */
export async function verifyDepot(db: Db): Promise<Verification> {
  const refold = new Refold(await openRefold(db))
  let head = FIRST_HEAD
  let entries = 0
  for (let rows = await listEntryRows(db, { after: 0, limit: ENTRIES_IN_A_PAGE }); rows.length > 0; rows = await listEntryRows(db, { after: head.sequence, limit: ENTRIES_IN_A_PAGE })) {
    for (const row of rows) {
      const audited = auditEntry(row, head)
      for (const fault of audited.faults) refold.find(`entry ${row.sequence}`, fault)
      if (audited.event !== undefined) refold.take(audited.event, row)
      head = audited.head
      entries += 1
    }
    await refold.keep()
  }
  await refold.finish()
  await compareViews(db, refold)
  await compareRows(refold)
  const { promotions, members, pointers, findings, findingCount } = refold
  return { entries, promotions, views: refold.views.size, members, pointers, head, findings, findingCount }
}

/** The views as far as the ledger was read, and what was found. */
class Refold {
  readonly db: RefoldDb
  readonly views = new Map<string, RefoldedView>()
  readonly findings: Finding[] = []
  findingCount = 0
  promotions = 0
  members = 0
  pointers = 0
  #ended: { members: RefoldedMember[]; pointers: RefoldedPointer[] } = { members: [], pointers: [] }

  constructor(db: RefoldDb) {
    this.db = db
  }

  find(place: string, detail: string): void {
    this.findingCount += 1
    if (this.findings.length < MOST_FINDINGS) this.findings.push({ place, detail })
  }

  take(event: LedgerEvent, entry: { sequence: number; at: number }): void {
    const place = `entry ${entry.sequence}`
    if (event.kind === 'promotion') this.#promote(event, place)
    else if (event.kind === 'view-created') {
      const view = this.views.get(event.view)
      if (view !== undefined && view.closedAt === undefined) this.find(place, `it makes the view ${event.view}, which was there`)
      if (view === undefined) this.views.set(event.view, { name: event.view, createdAt: entry.at, rule: event.rule, maker: event.maker, closedAt: undefined, revision: 0, fold: emptyFold() })
      else Object.assign(view, { rule: event.rule, maker: event.maker, closedAt: undefined })
    } else if (event.kind === 'view-closed') {
      const view = this.views.get(event.view)
      if (view === undefined || view.closedAt !== undefined) this.find(place, `it closes the view ${event.view}, which was not open`)
      else view.closedAt = entry.at
    }
  }

  #promote(promotion: Promotion, place: string): void {
    const { revision } = promotion
    const view = this.views.get(promotion.view)
    this.promotions += 1
    if (view === undefined || view.closedAt !== undefined) {
      this.find(place, `it promotes in the view ${promotion.view}, which was not open`)
      if (view === undefined) return
    }
    if (revision !== view.revision + 1) this.find(place, `it makes revision ${revision} of ${view.name} after revision ${view.revision}`)
    view.revision = revision
    const { endedMembers, endedPointers, faults } = foldPromotion(view.fold, promotion)
    for (const fault of faults) this.find(view.name, fault)
    this.#end(view, { members: endedMembers, pointers: endedPointers }, revision)
  }

  #end({ name }: RefoldedView, ended: { members: Iterable<FoldedMember>; pointers: Iterable<FoldedPointer> }, to: number | null): void {
    for (const { ident, target, from, position } of ended.members) {
      this.#ended.members.push({ view: name, package: ident.split('/', 2).join('/'), release: `${ident} ${target}`, from_revision: from, position, to_revision: to })
    }
    for (const pointer of ended.pointers) {
      const { target, ident, from } = pointer
      this.#ended.pointers.push({ view: name, package: pointer.package, target, release: `${ident} ${target}`, from_revision: from, to_revision: to })
    }
  }

  /** Puts what is over where it does not cost memory. */
  async keep(): Promise<void> {
    const { members, pointers } = this.#ended
    this.#ended = { members: [], pointers: [] }
    this.members += members.length
    this.pointers += pointers.length
    for (let begin = 0; begin < Math.max(members.length, pointers.length); begin += ROWS_IN_A_PIECE) {
      const end = begin + ROWS_IN_A_PIECE
      await insertRefolded(this.db, { members: members.slice(begin, end), pointers: pointers.slice(begin, end) })
    }
  }

  /** After the last entry: what holds still, which must be what the rules of the views say. */
  async finish(): Promise<void> {
    for (const view of this.views.values()) {
      const { members, pointers } = view.fold
      if (view.closedAt !== undefined && members.size > 0) this.find(view.name, `it is closed, and has ${members.size} members`)
      const latest = latestOf(view.rule, members.values())
      for (const line of new Set([...latest.keys(), ...pointers.keys()])) {
        const [is, shouldBe] = [pointers.get(line)?.ident, latest.get(line)]
        if (is !== shouldBe) this.find(view.name, `latest of ${line} is ${is ?? 'nothing'} and should be ${shouldBe ?? 'nothing'}, as the view's rule is ${view.rule}`)
      }
      this.#end(view, { members: members.values(), pointers: pointers.values() }, null)
      await this.keep()
    }
  }
}

async function compareViews(db: Db, refold: Refold): Promise<void> {
  const rows = await listViewRows(db)
  for (const row of rows) {
    const view = refold.views.get(row.name)
    if (view === undefined) {
      refold.find(row.name, 'there is a row of this view, and no entry that makes it')
      continue
    }
    const said = { rule: view.rule, maker: view.maker, revision: view.revision, created_at: view.createdAt, closed_at: view.closedAt ?? null }
    for (const [column, value] of Object.entries(said)) {
      const is = row[column as keyof typeof said]
      if (is !== value) refold.find(row.name, `its row has ${column} ${is ?? 'empty'}, and the ledger ${value ?? 'empty'}`)
    }
  }
  const names = new Set(rows.map(({ name }) => name))
  for (const name of refold.views.keys()) if (!names.has(name)) refold.find(name, 'the ledger makes this view, and there is no row of it')
}

async function compareRows(refold: Refold): Promise<void> {
  const { db } = refold
  const limit = MOST_FINDINGS + 1
  const tell = <Row extends { view: string | null }>(unlike: { refolded: readonly Row[]; rows: readonly Row[] }, describe: (row: Row) => string) => {
    for (const row of unlike.refolded) refold.find(row.view ?? '', `only the ledger has ${describe(row)}`)
    for (const row of unlike.rows) refold.find(row.view ?? '', `only the rows have ${describe(row)}`)
  }
  tell(await listUnlikeMembers(db, limit), describeMember)
  tell(await listUnlikePointers(db, limit), describePointer)
  tell(await listUnlikeLines(db, limit), describeLine)
  for (const { view, ident, revision } of await listMisplaced(db, limit)) {
    refold.find(view, `the row of ${ident} from revision ${revision} is of another release of this ident, which was not there then`)
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

function describeSpan({ from_revision: from, to_revision: to }: { from_revision: number; to_revision: number | null }): string {
  return to === null ? `from revision ${from} on` : `from revision ${from} until ${to}`
}
