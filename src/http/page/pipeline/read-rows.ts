import type { Audience } from '../../../access/access.ts'
import type { Db } from '../../../database/database.ts'
import { parseIdent } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import { compareReleases } from '../../../package/version.ts'
import { findMarks } from '../../../releases/mark-store.ts'
import type { Marks } from '../../../releases/mark-store.ts'
import { listPointersAt } from '../../../revisions/content-store.ts'
import type { PointerAt, PointerPlace } from '../../../revisions/content-store.ts'
import { findAuthors } from '../../../revisions/history-store.ts'
import type { View } from '../../../views/view.ts'

/**
 * How a release compares with that of the view to its left. `missing`: that view has no release. `alone`:
 * there is no view to the left.
 */
export type Difference = 'same' | 'behind' | 'ahead' | 'alone' | 'missing'

/** What one view runs of a package. Times are epoch milliseconds. */
export interface Cell {
  readonly ident: string
  readonly sinceRevision: number
  readonly since: number
  /** The account that made the revision; `undefined` for the depot itself and the operator's shell. */
  readonly by: string | undefined
  readonly marks: Marks | undefined
  /** For how much longer the release must stay here before the next view may take it. */
  readonly soaksForMs: number | undefined
  readonly difference: Difference
}

/** A package for one target, with what each view runs; `undefined` where a view has nothing. */
export interface Row {
  /** `origin/name` */
  readonly package: string
  readonly target: Target
  readonly cells: readonly (Cell | undefined)[]
}

/** Which rows a reader wants. Rows must meet all of it. */
export interface RowFilter {
  readonly origin: string | undefined
  /** A part of `origin/name`. */
  readonly text: string | undefined
  /** Whether neighbours must differ. */
  readonly differs: boolean
  /** A cell must have changed in this time. */
  readonly changedWithinMs: number | undefined
  /** A view must have been behind its left neighbour for longer than this. */
  readonly behindForMs: number | undefined
}

export interface RowPage {
  readonly rows: readonly Row[]
  /** The place after which the next page begins; `undefined` at the end. */
  readonly next: PointerPlace | undefined
}

/** The number of lines that one step reads. Other requests run between steps. */
const STEP_LINES = 250
/** The maximum number of lines that one page with a filter looks at. */
const MAX_EXAMINED_LINES = 5_000

/** What rows are read for. */
interface Reading {
  readonly filter: RowFilter
  readonly audience: Audience
  readonly now: number
}

/**
 * Reads a page of the pipeline after a place, by package and target. With a filter, the page may have fewer
 * rows than `limit` although more follow.
 */
export async function readRows(
  db: Db,
  views: readonly View[],
  { after, limit, ...reading }: Reading & { after: PointerPlace | undefined; limit: number },
): Promise<RowPage> {
  const { filter, now } = reading
  const rows: Row[] = []
  let place = after
  for (let examined = 0; examined < Math.max(limit, MAX_EXAMINED_LINES); examined += STEP_LINES) {
    const lines = isFiltering(filter) ? STEP_LINES : Math.min(STEP_LINES, limit - rows.length)
    const step = await readStep(db, views, { ...reading, after: place, lines })
    for (const row of step.rows) {
      if (!matches(row, filter, now)) continue
      if (rows.length === limit) return { rows, next: placeOf(rows.at(-1)) }
      rows.push(row)
    }
    if (step.next === undefined) return { rows, next: undefined }
    place = step.next
    if (rows.length === limit) break
  }
  return { rows, next: place }
}

/** Reports whether a filter may leave out lines that a step has read. */
function isFiltering({ text, differs, changedWithinMs, behindForMs }: RowFilter): boolean {
  return text !== undefined || differs || changedWithinMs !== undefined || behindForMs !== undefined
}

async function readStep(
  db: Db,
  views: readonly View[],
  {
    after,
    lines: count,
    filter: { origin },
    audience,
    now,
  }: Reading & { after: PointerPlace | undefined; lines: number },
): Promise<RowPage> {
  const page = {
    ...(origin !== undefined && { origin }),
    ...(after !== undefined && { after }),
    limit: count + 1,
  }
  const found = await Promise.all(
    views.map((view) => listPointersAt(db, view, view.revision, page, audience)),
  )
  const lines = linesOf(found)
  const pointers = found.map((list) => new Map(list.map((pointer) => [keyOf(pointer), pointer])))
  const kept = lines.slice(0, count)
  const shown = found.flatMap((list) => list.map(({ releaseId }) => releaseId))
  const [marks, authors] = await Promise.all([
    findMarks(db, [...new Set(shown)]),
    Promise.all(
      views.map((view, index) =>
        findAuthors(db, view.id, new Set(found[index]?.map(({ sinceRevision }) => sinceRevision))),
      ),
    ),
  ])
  const rows = kept.map((line): Row => {
    const ofLine = pointers.map((map) => map.get(keyOf(line)))
    return {
      package: line.package,
      target: line.target,
      cells: ofLine.map((pointer, index) =>
        pointer === undefined
          ? undefined
          : {
              ident: pointer.ident,
              sinceRevision: pointer.sinceRevision,
              since: pointer.since,
              by: authors[index]?.get(pointer.sinceRevision),
              marks: marks.get(pointer.releaseId),
              soaksForMs: soakLeft(views, index, pointer, now),
              difference: index === 0 ? 'alone' : compare(ofLine[index - 1], pointer),
            },
      ),
    }
  })
  return { rows, next: lines.length > count ? placeOf(kept.at(-1)) : undefined }
}

/** Returns the lines of all views once, in order. */
function linesOf(found: readonly (readonly PointerAt[])[]): { package: string; target: Target }[] {
  const byKey = new Map(
    found.flat().map((line) => [keyOf(line), { package: line.package, target: line.target }]),
  )
  return [...byKey.values()].toSorted((a, b) =>
    a.package === b.package ? order(a.target, b.target) : order(a.package, b.package),
  )
}

/** Compares bytewise, as the database does. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compare(left: PointerAt | undefined, right: PointerAt): Difference {
  if (left === undefined) return 'missing'
  if (left.ident === right.ident) return 'same'
  return compareReleases(parseIdent(left.ident), parseIdent(right.ident)) > 0 ? 'behind' : 'ahead'
}

/** Returns how long a release must still stay in a view before the next one may take it. */
function soakLeft(
  views: readonly View[],
  index: number,
  { since }: PointerAt,
  now: number,
): number | undefined {
  const requirement = views[index + 1]?.gates.requires?.find(({ view }) => view === views[index]?.name)
  const left = since + (requirement?.soakMs ?? 0) - now
  return left > 0 ? left : undefined
}

function matches(row: Row, filter: RowFilter, now: number): boolean {
  const { text, differs, changedWithinMs, behindForMs } = filter
  if (text !== undefined && !row.package.includes(text)) return false
  if (differs && !hasDifference(row)) return false
  if (changedWithinMs !== undefined && !row.cells.some((cell) => now - (cell?.since ?? 0) <= changedWithinMs))
    return false
  return behindForMs === undefined || isBehind(row, behindForMs, now)
}

/** Reports whether two neighbours have different releases, or only one of them has one. */
function hasDifference({ cells }: Row): boolean {
  return cells.some((cell, index) => index > 0 && cell?.ident !== cells[index - 1]?.ident)
}

/** Reports whether a view has lacked the release of its left neighbour for longer than a time. */
function isBehind({ cells }: Row, ms: number, now: number): boolean {
  return cells.some((cell, index) => {
    const left = index === 0 ? undefined : cells[index - 1]
    if (left === undefined || now - left.since <= ms) return false
    return cell === undefined || cell.difference === 'behind'
  })
}

function keyOf({ package: name, target }: { package: string; target: Target }): string {
  return `${name} ${target}`
}

function placeOf(row: { package: string; target: Target } | undefined): PointerPlace | undefined {
  return row && [row.package, row.target]
}
