import { counted } from '../text/counted.ts'
import type { PackageFilter } from '../views/change-request.ts'
import { withFreeze, withoutFreeze } from '../views/freeze.ts'
import { RebuiltMarks } from './rebuilt-marks.ts'
import { emptyFold, foldPromotion, latestOf } from './fold.ts'
import type { Fold, FoldedMember, FoldedPointer } from './fold.ts'
import { DEFAULT_UNGOVERNED } from '../views/view.ts'
import { withNextRule } from '../views/rule.ts'
import type { PastRule, ViewRule } from '../views/rule.ts'
import type { ViewMaker } from '../views/view.ts'
import type { LedgerEvent, Promotion } from '../ledger/entry.ts'
import { describeRelease, packageOf, releaseKey } from '../package/ident.ts'

/**
 * A membership; `release` is `ident target`. The fields are the columns of the table that it is stored in.
 */
export interface RebuiltMember {
  readonly view: string
  readonly package: string
  readonly release: string
  readonly from_revision: number
  readonly position: number
  readonly is_skipped: number
  readonly to_revision: number | null
}

/** A pointer; `release` is `ident target`. */
export interface RebuiltPointer {
  readonly view: string
  readonly package: string
  readonly target: string
  readonly release: string
  readonly from_revision: number
  readonly to_revision: number | null
}

/** A freeze, with its fields in the order in which they are compared. */
export interface RebuiltFreeze extends PackageFilter {
  readonly reason: string
  readonly until: number | null
  readonly since: number
}

/** A view as rebuilt from the ledger. */
export interface RebuiltView {
  readonly name: string
  readonly createdAt: number
  rule: ViewRule
  /** JSON, as in the row. */
  pastRules: string
  /** JSON, as in the row. */
  ungoverned: string
  maker: ViewMaker
  closedAt: number | undefined
  revision: number
  /** JSON, as in the row. */
  gates: string
  freezes: readonly RebuiltFreeze[]
  /** The base view, if this view is a preview. */
  base: string | undefined
  readonly fold: Fold
}

/** Reports a contradiction in the ledger. `place` names an entry or a view. */
export type Report = (place: string, detail: string) => void

/** The events that change views. */
export const VIEW_EVENTS = [
  'promotion',
  'view-created',
  'view-closed',
  'ungoverned-set',
  'gates-set',
  'view-frozen',
  'view-thawed',
  'preview-made',
] as const
type ViewEvent = Extract<LedgerEvent, { kind: (typeof VIEW_EVENTS)[number] }>

/** The fields of a view that was just created or reopened. */
const NEWLY_OPENED = {
  closedAt: undefined,
  gates: '{}',
  freezes: [],
  base: undefined,
  ungoverned: JSON.stringify(DEFAULT_UNGOVERNED),
}

/** Rebuilds all views from ledger entries, one after another. */
export class RebuiltViews {
  readonly views = new Map<string, RebuiltView>()
  /** Freezes that apply to every view. */
  freezes: readonly RebuiltFreeze[] = []
  /** The present marks of releases. */
  readonly marks = new RebuiltMarks()
  readonly #report: Report
  /** The ended memberships and pointers that {@link takeEnded} has not returned yet. */
  #members: RebuiltMember[] = []
  #pointers: RebuiltPointer[] = []

  constructor(report: Report) {
    this.#report = report
  }

  /** Applies the next entry. Events that concern no view are ignored. */
  take(event: LedgerEvent, { sequence, at }: { sequence: number; at: number }): void {
    this.marks.take(event, at)
    if (event.kind === 'views-frozen') this.freezes = withFreeze(this.freezes, rebuiltFreeze(event, at))
    if (event.kind === 'views-thawed') this.freezes = withoutFreeze(this.freezes, event)
    if (!isViewEvent(event)) return
    const place = `entry ${sequence}`
    switch (event.kind) {
      case 'view-created':
        return this.#create(event, { place, at })
      case 'promotion':
        return this.#change(event.view, place, (view) => this.#promote(view, event, place))
      case 'view-closed':
        return this.#change(event.view, place, (view) =>
          Object.assign(view, { closedAt: at, base: undefined }),
        )
      case 'ungoverned-set':
        return this.#change(event.view, place, (view) =>
          Object.assign(view, { ungoverned: JSON.stringify(event.origins) }),
        )
      case 'gates-set':
        return this.#change(event.view, place, (view) =>
          Object.assign(view, { gates: JSON.stringify(event.gates) }),
        )
      case 'view-frozen':
        return this.#change(event.view, place, (view) =>
          Object.assign(view, { freezes: withFreeze(view.freezes, rebuiltFreeze(event, at)) }),
        )
      case 'view-thawed':
        return this.#change(event.view, place, (view) =>
          Object.assign(view, { freezes: withoutFreeze(view.freezes, event) }),
        )
      case 'preview-made':
        return this.#change(event.view, place, (view) => Object.assign(view, { base: event.base }))
    }
  }

  /** Returns and forgets the memberships and pointers that ended since the last call. */
  takeEnded(): { members: RebuiltMember[]; pointers: RebuiltPointer[] } {
    const ended = { members: this.#members, pointers: this.#pointers }
    this.#members = []
    this.#pointers = []
    return ended
  }

  /**
   * Finishes a view after the last entry: checks its pointers against its rule, and adds the memberships and
   * pointers that still hold to the ended ones.
   */
  finish({ name, rule, closedAt, fold }: RebuiltView): void {
    const { members, pointers } = fold
    if (closedAt !== undefined && members.size > 0)
      this.#report(name, `it is closed, but has ${counted(members.size, 'member')}`)
    const latest = latestOf(rule, members.values())
    for (const member of members.values())
      if (rule === 'highest' && !member.isSkipped && this.marks.isYanked(member))
        this.#report(name, `${describeRelease(member)} is yanked, but no revision says that latest skips it`)
    for (const line of new Set([...latest.keys(), ...pointers.keys()])) {
      const [is, shouldBe] = [pointers.get(line)?.ident, latest.get(line)]
      if (is !== shouldBe)
        this.#report(
          name,
          `latest of ${line} is ${is ?? 'nothing'} but should be ${shouldBe ?? 'nothing'}, because the view's rule is ${rule}`,
        )
    }
    this.#end(name, { members: members.values(), pointers: pointers.values() }, null)
  }

  #create(
    event: { view: string; rule: ViewRule; maker: ViewMaker },
    { place, at }: { place: string; at: number },
  ): void {
    const { view: name, rule, maker } = event
    const before = this.views.get(name)
    if (before !== undefined && before.closedAt === undefined)
      this.#report(place, `it creates the view ${name}, which already existed`)
    if (before === undefined)
      this.views.set(name, {
        name,
        createdAt: at,
        rule,
        pastRules: '[]',
        maker,
        ...NEWLY_OPENED,
        revision: 0,
        fold: emptyFold(),
      })
    else
      Object.assign(before, {
        pastRules: nextPastRules(before, { rule, from: before.revision + 1, isReopened: true }),
        rule,
        maker,
        ...NEWLY_OPENED,
      })
  }

  #change(name: string, place: string, change: (view: RebuiltView) => void): void {
    const view = this.views.get(name)
    if (view === undefined || view.closedAt !== undefined)
      this.#report(place, `it changes the view ${name}, which was not open`)
    if (view !== undefined) change(view)
  }

  #promote(view: RebuiltView, promotion: Promotion, place: string): void {
    const { revision } = promotion
    if (revision !== view.revision + 1)
      this.#report(place, `it makes revision ${revision} of ${view.name} after revision ${view.revision}`)
    view.revision = revision
    if (promotion.rule !== undefined) {
      view.pastRules = nextPastRules(view, { rule: promotion.rule, from: revision })
      view.rule = promotion.rule
    }
    const { endedMembers, endedPointers, faults } = foldPromotion(
      view.fold,
      promotion,
      (release) => view.rule === 'highest' && this.marks.isYanked(release),
    )
    for (const fault of faults) this.#report(view.name, fault)
    this.#end(view.name, { members: endedMembers, pointers: endedPointers }, revision)
  }

  #end(
    view: string,
    ended: { members: Iterable<FoldedMember>; pointers: Iterable<FoldedPointer> },
    to: number | null,
  ): void {
    for (const { ident, target, from, position, isSkipped } of ended.members) {
      this.#members.push({
        view,
        package: packageOf(ident),
        release: releaseKey({ ident, target }),
        from_revision: from,
        position,
        is_skipped: isSkipped ? 1 : 0,
        to_revision: to,
      })
    }
    for (const { package: name, target, ident, from } of ended.pointers) {
      this.#pointers.push({
        view,
        package: name,
        target,
        release: releaseKey({ ident, target }),
        from_revision: from,
        to_revision: to,
      })
    }
  }
}

/** Converts the freeze of an entry or a row, so that both can be compared as JSON. */
export function rebuiltFreeze(
  { origin, name, reason, until }: PackageFilter & { reason: string; until?: number | null },
  since: number,
): RebuiltFreeze {
  return {
    ...(origin !== undefined && { origin }),
    ...(name !== undefined && { name }),
    reason,
    until: until ?? null,
    since,
  }
}

function isViewEvent(event: LedgerEvent): event is ViewEvent {
  return (VIEW_EVENTS as readonly string[]).includes(event.kind)
}

function nextPastRules(
  { rule, pastRules }: RebuiltView,
  next: { rule: ViewRule; from: number; isReopened?: boolean },
): string {
  return JSON.stringify(withNextRule({ rule, pastRules: JSON.parse(pastRules) as PastRule[] }, next))
}
