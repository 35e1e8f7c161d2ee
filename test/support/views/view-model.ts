// A second implementation of the rules of views, for comparison with the depot. It keeps a whole state in
// memory for each revision, and uses no code of the depot. A state has a list of members for each line, in
// the order of promotion.

/** A published release. Publishing it again after a deletion makes another one. */
export interface ModelRelease {
  readonly ident: string
  /** `origin/name`. A line is a package for one target; this model has only one target. */
  readonly line: string
  readonly version: number
  readonly needs: readonly string[]
  isDeleted: boolean
  isYanked: boolean
}

export type State = ReadonlyMap<string, readonly ModelRelease[]>

export interface ModelGates {
  /** With `soaks`, the release must have been there for an hour. */
  readonly requires?: { readonly view: string; readonly as: 'member' | 'current'; readonly soaks?: boolean }
  readonly closure?: 'depot' | 'view'
  readonly downgrade?: 'refuse'
  /** The only accounts that may change the view. */
  readonly promoters?: readonly string[]
  /** Changes need the approval of a second account. */
  readonly approval?: true
}

/**
 * The author of a change, whether a second account approved it, and whether it overrides gates. Without `by`,
 * the operator makes it.
 */
export interface CommandOptions {
  readonly by?: string
  readonly approved?: true
  readonly override?: true
}

type Rule = 'promoted' | 'highest'

export interface ModelView {
  readonly name: string
  /** The rule, the state, and the members that `latest` skips, at each revision, from 0. */
  readonly rules: Rule[]
  readonly states: State[]
  readonly skipped: ReadonlySet<ModelRelease>[]
  gates: ModelGates
  isFrozen: boolean
  /** The hour since which a release has been a member, or `latest`, without interruption. */
  readonly since: { member: Map<ModelRelease, number>; current: Map<ModelRelease, number> }
}

/** The result of a change: the code of its refusal, or whether it made a revision. */
export type Result =
  | 'changed'
  | 'unchanged'
  | 'not_found'
  | 'not_member'
  | 'refused'
  | 'conflict'
  | 'in_use'
  | 'forbidden'

interface How {
  readonly act: 'promote' | 'demote' | 'rollback' | 'revert' | 'set-rule'
  /** The new rule, for `set-rule`. */
  readonly rule?: Rule
  readonly joined: ReadonlySet<ModelRelease>
  /** The releases that join or join again, if these are not all of `joined`. */
  readonly rejoined?: ReadonlySet<ModelRelease>
  readonly options: CommandOptions
}

export class ViewModel {
  hour = 0
  readonly views = new Map<string, ModelView>()
  readonly releases: ModelRelease[] = []

  view(name: string): ModelView {
    const view = this.views.get(name)
    if (view === undefined) throw new Error(`the model has no view ${name}`)
    return view
  }

  find(ident: string): ModelRelease | undefined {
    return this.releases.find((release) => release.ident === ident && !release.isDeleted)
  }

  promote(name: string, idents: readonly string[], options: CommandOptions = {}): Result {
    const view = this.view(name)
    const found = this.#all(idents)
    if (found === undefined) return 'not_found'
    const next = new Map(now(view))
    const joined = new Set<ModelRelease>()
    // Nobody can override this. A yanked member of a view with the rule `promoted` may stay what it is.
    const isYanked = found.some(
      (release) =>
        release.isYanked &&
        (ruleOf(view) === 'highest' ||
          !members(now(view)).includes(release) ||
          (found.findLast(({ line }) => line === release.line) === release &&
            answerNow(view, release.line) !== release)),
    )
    for (const line of new Set(found.map((release) => release.line))) {
      const named = found.filter((release) => release.line === line)
      const before = next.get(line) ?? []
      const strangers = named.filter((release) => !before.includes(release))
      const last = named.at(-1)
      const stays = last === undefined || strangers.includes(last) ? [] : [last]
      // Under `promoted`, the last release of the request becomes the last of the line, unless it already is.
      const isToMove =
        ruleOf(view) === 'promoted' &&
        stays.some((release) => answerNow(view, line) !== release || strangers.length > 0)
      const coming = named.filter(
        (release) => strangers.includes(release) || (isToMove && stays.includes(release)),
      )
      for (const release of coming) joined.add(release)
      next.set(line, [...before.filter((release) => !coming.includes(release)), ...coming])
    }
    return this.#change(view, next, { act: 'promote', joined, conflicts: 0, isYanked, options })
  }

  demote(name: string, idents: readonly string[], options: CommandOptions = {}): Result {
    const view = this.view(name)
    const found = this.#all(idents)
    if (found === undefined) return 'not_found'
    if (found.some((release) => !members(now(view)).includes(release))) return 'not_member'
    return this.#change(view, without(now(view), found), {
      act: 'demote',
      joined: new Set(),
      conflicts: 0,
      options,
    })
  }

  rollback(name: string, revision: number, options: CommandOptions = {}): Result {
    const view = this.view(name)
    const then = view.states[revision]
    if (then === undefined) return 'not_found'
    const was = (line: string) =>
      latest(view.rules[revision] ?? 'promoted', then.get(line), view.skipped[revision])
    const lines = [...new Set([...then.keys(), ...now(view).keys()])]
    const changed = lines.filter(
      (line) => !this.#wasUntouched(view, line, revision) || was(line) !== answerNow(view, line),
    )
    const next = new Map(now(view))
    for (const line of changed) {
      const kept = (then.get(line) ?? []).filter((release) => !release.isDeleted)
      const isLast = (release: ModelRelease) => ruleOf(view) === 'promoted' && release === was(line)
      next.set(line, [...kept.filter((release) => !isLast(release)), ...kept.filter(isLast)])
    }
    const conflicts = changed.filter(
      (line) =>
        was(line) !== undefined &&
        (was(line)?.isDeleted === true ||
          latest(ruleOf(view), next.get(line), yankedUnder(ruleOf(view), next.get(line))) !== was(line)),
    ).length
    return this.#change(view, next, {
      act: 'rollback',
      joined: joinedBetween(ruleOf(view), now(view), next, {
        isReset: (release) => skippedNow(view).has(release) && view.skipped[revision]?.has(release) !== true,
      }),
      conflicts,
      options,
    })
  }

  revert(name: string, revision: number, options: CommandOptions = {}): Result {
    const view = this.view(name)
    const [before, after] = [view.states[revision - 1], view.states[revision]]
    if (before === undefined || after === undefined) return 'not_found'
    const then = view.rules[revision] ?? 'promoted'
    if (view.rules[revision - 1] !== then) return 'refused'
    const next = new Map(now(view))
    const [skipsBefore, skipsAfter] = [view.skipped[revision - 1], view.skipped[revision]]
    const rejoined = new Set<ModelRelease>()
    let conflicts = 0
    for (const line of new Set([...before.keys(), ...after.keys()])) {
      const [old, made, present] = [before.get(line) ?? [], after.get(line) ?? [], now(view).get(line) ?? []]
      const isSkippedAlike = old.every((release) => skipsBefore?.has(release) === skipsAfter?.has(release))
      if (isSame(old, made) && isSkippedAlike) continue
      const [was, became] = [latest(then, old, skipsBefore), latest(then, made, skipsAfter)]
      const rest = present.filter((release) => old.includes(release) || !made.includes(release))
      const back = old.filter(
        (release) => !made.includes(release) && !present.includes(release) && !release.isDeleted,
      )
      let result = [...rest, ...back]
      for (const release of back) rejoined.add(release)
      const leader = was === became ? answerNow(view, line) : was
      if (ruleOf(view) === 'promoted' && leader !== undefined && result.includes(leader)) {
        if (result.at(-1) !== leader || skippedNow(view).has(leader)) rejoined.add(leader)
        result = [...result.filter((release) => release !== leader), leader]
      }
      const skipped =
        ruleOf(view) === 'highest'
          ? yankedUnder('highest', result)
          : new Set([...skippedNow(view)].filter((release) => !rejoined.has(release)))
      if (
        was !== became &&
        (answerNow(view, line) !== became ||
          was?.isDeleted === true ||
          latest(ruleOf(view), result, skipped) !== was)
      )
        conflicts += 1
      next.set(line, result)
    }
    return this.#change(view, next, {
      act: 'revert',
      joined: new Set([...joinedBetween(ruleOf(view), now(view), next), ...rejoined]),
      rejoined,
      conflicts,
      options,
    })
  }

  /**
   * Promotes the new `latest` of each line again, after the members that it skips from now on. Only
   * administrators may set a rule.
   */
  setRule(name: string, rule: Rule, options: CommandOptions = {}): Result {
    const view = this.view(name)
    if (options.by !== undefined) return 'forbidden'
    if (rule === ruleOf(view)) return 'unchanged'
    const next = new Map(now(view))
    const joined = new Set<ModelRelease>()
    for (const [line, list] of now(view)) {
      const skipping = list
        .filter((release) => yankedUnder(rule, list).has(release) && !skippedNow(view).has(release))
        .toSorted((a, b) => a.version - b.version)
      const leader = latest(rule, list, new Set([...skippedNow(view), ...yankedUnder(rule, list)]))
      const leading = leader === undefined || leader === answerNow(view, line) ? [] : [leader]
      const coming = [...skipping, ...leading]
      for (const release of coming) joined.add(release)
      next.set(line, [...list.filter((release) => !coming.includes(release)), ...coming])
    }
    return this.#change(view, next, { act: 'set-rule', rule, joined, conflicts: 0, options })
  }

  /**
   * Under `highest`, `latest` skips the release from now on, and the release counts as promoted last. A
   * freeze refuses this.
   */
  yank(ident: string, options: CommandOptions = {}): Result {
    const release = this.find(ident)
    if (release === undefined) return 'not_found'
    if (release.isYanked) return 'unchanged'
    const views = [...this.views.values()].filter(
      (view) => ruleOf(view) === 'highest' && members(now(view)).includes(release),
    )
    if (options.override !== true && views.some(({ isFrozen }) => isFrozen)) return 'refused'
    release.isYanked = true
    for (const view of views) this.#push(view, withLast(now(view), [release]), { joined: new Set([release]) })
    return 'changed'
  }

  /** Under `promoted`, `latest` of a view that was under `highest` stays. */
  unyank(ident: string, options: CommandOptions = {}): Result {
    const release = this.find(ident)
    if (release === undefined) return 'not_found'
    if (!release.isYanked) return 'unchanged'
    const views = [...this.views.values()].filter((view) => skippedNow(view).has(release))
    if (options.override !== true && views.some(({ isFrozen }) => isFrozen)) return 'refused'
    release.isYanked = false
    for (const view of views) {
      const answer = ruleOf(view) === 'promoted' ? answerNow(view, release.line) : undefined
      const joined = answer === undefined ? [release] : [release, answer]
      this.#push(view, withLast(now(view), joined), { joined: new Set(joined) })
    }
    return 'changed'
  }

  /** Deletes a release, unless other releases depend on its package. */
  remove(ident: string): Result {
    const release = this.find(ident)
    if (release === undefined) return 'not_found'
    const holding = [...this.views.values()].filter((view) => members(now(view)).includes(release))
    if (
      holding.some(
        (view) =>
          ruleOf(view) === 'promoted' ||
          view.gates.promoters !== undefined ||
          view.gates.approval !== undefined,
      )
    )
      return 'in_use'
    const isNeeded = this.releases.some(
      (other) => !other.isDeleted && other.needs.some((need) => need.startsWith(`${release.line}/`)),
    )
    if (isNeeded) return 'in_use'
    const left = holding.map((view) => ({ view, next: without(now(view), [release]) }))
    if (
      left.some(({ view, next }) =>
        this.#isRefused(view, next, { act: 'demote', joined: new Set(), options: {} }),
      )
    )
      return 'refused'
    for (const { view, next } of left) this.#push(view, next, { joined: new Set() })
    release.isDeleted = true
    return 'changed'
  }

  #change(view: ModelView, next: State, how: How & { conflicts: number; isYanked?: boolean }): Result {
    const isChanged =
      how.rule !== undefined || how.joined.size > 0 || members(now(view)).length !== members(next).length
    const { promoters, approval } = view.gates
    // A named approver needs no other right. Otherwise the approver needs the right to make the change.
    const deciding = how.options.approved === true && approval === undefined ? ['carol'] : []
    const asking = how.options.by === undefined ? [] : [how.options.by, ...deciding]
    if (isChanged && promoters !== undefined && asking.some((account) => !promoters.includes(account)))
      return 'forbidden'
    if (how.isYanked === true) return 'refused'
    if (how.conflicts > 0) return 'conflict'
    if (!isChanged) return how.options.approved === true ? 'refused' : 'unchanged' // a proposal must change something
    if (how.options.override !== true && this.#isRefused(view, next, how)) return 'refused'
    this.#push(view, next, how)
    return 'changed'
  }

  #push(view: ModelView, next: State, how: Pick<How, 'rule' | 'joined' | 'rejoined'>): void {
    const { rule = ruleOf(view) } = how
    const skipped = skippedAfter(view, next, how)
    view.states.push(next)
    view.rules.push(rule)
    view.skipped.push(skipped)
    const { since } = view
    const current = [...next.values()].flatMap((line) => latest(rule, line, skipped) ?? [])
    since.member = new Map(members(next).map((release) => [release, since.member.get(release) ?? this.hour]))
    since.current = new Map(current.map((release) => [release, since.current.get(release) ?? this.hour]))
  }

  #isRefused(view: ModelView, next: State, how: How): boolean {
    const { act, rule = ruleOf(view), joined, options } = how
    const skipped = skippedAfter(view, next, how)
    const { requires, closure, downgrade, approval } = view.gates
    if (view.isFrozen || (approval === true && options.by !== undefined && options.approved !== true))
      return true
    if (requires !== undefined && act === 'promote') {
      const other = this.view(requires.view)
      const longest = requires.soaks === true ? this.hour - 1 : this.hour
      if ([...joined].some((release) => (other.since[requires.as].get(release) ?? Infinity) > longest))
        return true
    }
    const isThere = (ident: string) =>
      closure === 'view'
        ? members(next).some((release) => release.ident === ident)
        : this.find(ident) !== undefined
    if (closure !== undefined && [...joined].some((release) => !release.needs.every(isThere))) return true
    if (closure === 'view') {
      const left = members(now(view)).filter((release) => !members(next).includes(release))
      if (members(next).some((release) => left.some((gone) => release.needs.includes(gone.ident))))
        return true
    }
    const becomesYanked = ([line, list]: readonly [string, readonly ModelRelease[]]) => {
      const answer = latest(rule, list, skipped)
      return answer?.isYanked === true && answer !== answerNow(view, line)
    }
    if ([...next].some(becomesYanked)) return true
    if (downgrade === undefined || act === 'rollback' || act === 'revert') return false
    return [...next].some(([line, list]) => {
      const [from, to] = [answerNow(view, line), latest(rule, list, skipped)]
      return from !== undefined && to !== undefined && to.version < from.version
    })
  }

  #all(idents: readonly string[]): ModelRelease[] | undefined {
    const found = [...new Set(idents)].map((ident) => this.find(ident))
    return found.includes(undefined) ? undefined : found.filter((release) => release !== undefined)
  }

  #wasUntouched(view: ModelView, line: string, revision: number): boolean {
    return view.states
      .slice(revision + 1)
      .every(
        (state, index) =>
          isSame(state.get(line) ?? [], view.states[revision + index]?.get(line) ?? []) &&
          (state.get(line) ?? []).every(
            (release) =>
              view.skipped[revision + index]?.has(release) ===
              view.skipped[revision + index + 1]?.has(release),
          ),
      )
  }
}

export function ruleOf({ rules }: ModelView): Rule {
  return rules.at(-1) ?? 'promoted'
}

export function latest(
  rule: 'promoted' | 'highest',
  line: readonly ModelRelease[] = [],
  skipped: ReadonlySet<ModelRelease> = new Set(),
): ModelRelease | undefined {
  const answering = line.filter((release) => !skipped.has(release))
  return rule === 'promoted' ? answering.at(-1) : answering.toSorted((a, b) => a.version - b.version).at(-1)
}

/** The members that `latest` skips now. */
function skippedNow({ skipped }: ModelView): ReadonlySet<ModelRelease> {
  return skipped.at(-1) ?? new Set()
}

function answerNow(view: ModelView, line: string): ModelRelease | undefined {
  return latest(ruleOf(view), now(view).get(line), skippedNow(view))
}

/** The releases that `latest` skips once they join under a rule. */
function yankedUnder(rule: Rule, releases: Iterable<ModelRelease> = []): Set<ModelRelease> {
  return new Set([...releases].filter(({ isYanked }) => rule === 'highest' && isYanked))
}

/** The members that `latest` skips after a change. A release that joins again is judged again. */
function skippedAfter(
  view: ModelView,
  next: State,
  { rule = ruleOf(view), joined, rejoined = joined }: Pick<How, 'rule' | 'joined' | 'rejoined'>,
): Set<ModelRelease> {
  const staying = [...skippedNow(view)].filter(
    (release) => members(next).includes(release) && !rejoined.has(release),
  )
  return new Set([...staying, ...yankedUnder(rule, rejoined)])
}

/** Lets releases of one line join again, in this order. */
function withLast(state: State, releases: readonly ModelRelease[]): State {
  const line = releases[0]?.line ?? ''
  const others = (state.get(line) ?? []).filter((release) => !releases.includes(release))
  return new Map(state).set(line, [...others, ...releases])
}

export function members(state: State): ModelRelease[] {
  return [...state.values()].flat()
}

export function now(view: ModelView): State {
  return view.states.at(-1) ?? new Map()
}

function without(state: State, gone: readonly ModelRelease[]): State {
  return new Map([...state].map(([line, list]) => [line, list.filter((release) => !gone.includes(release))]))
}

function isSame(one: readonly ModelRelease[], other: readonly ModelRelease[]): boolean {
  return one.length === other.length && one.every((release, index) => other[index] === release)
}

/**
 * Returns the releases that must join or join again to turn one state into another. Under `highest`, order
 * does not matter. A member that must be judged again (`isReset`) joins again.
 */
function joinedBetween(
  rule: 'promoted' | 'highest',
  from: State,
  to: State,
  { isReset = () => false }: { isReset?: (release: ModelRelease) => boolean } = {},
): Set<ModelRelease> {
  const joined = new Set<ModelRelease>()
  for (const [line, list] of to) {
    const staying = (from.get(line) ?? []).filter((release) => list.includes(release))
    const common = list.findIndex((release, index) => staying[index] !== release || isReset(release))
    const strangers = list.filter((release) => !staying.includes(release))
    for (const release of rule === 'highest' ? strangers : common === -1 ? [] : list.slice(common))
      joined.add(release)
  }
  return joined
}
