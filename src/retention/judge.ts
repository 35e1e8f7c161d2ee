import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../database/database.ts'
import { formatIdent, lineOf } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { MIN_AGE_MS } from '../views/retention-rule.ts'
import { listHighest, listNeeding, listUnshared } from './candidate-store.ts'
import type { Candidate } from './candidate-store.ts'
import type { Keepers } from './keepers-store.ts'
import { listNeeds } from './needs-store.ts'
import type { Need } from './needs-store.ts'
import { listEverIn, ruleFor } from './rule-store.ts'
import type { ScopedRule } from './rule-store.ts'

// Decides which releases stay and which go. A release goes if a rule is about it, the rule does not keep it,
// nothing needs it, and every release that depends on it goes, too.

/** Why a release stays. */
export type Reason =
  | Need
  | { readonly kind: 'no-rule' }
  | { readonly kind: 'young' }
  | { readonly kind: 'keep-all'; readonly rule: ScopedRule }
  | { readonly kind: 'last'; readonly rule: ScopedRule }
  | { readonly kind: 'newer'; readonly rule: ScopedRule }
  | { readonly kind: 'promoted'; readonly rule: ScopedRule; readonly view: string }
  /**
   * The release `by` depends on it. Either `by` is known to stay, or too many releases depend on this one to
   * examine them all.
   */
  | { readonly kind: 'dependency'; readonly by: ReleaseName; readonly isKnownToStay: boolean }

/** Whether a release stays or goes. */
export interface Verdict {
  readonly release: Candidate
  /** The rule that is about the release, if any. */
  readonly rule: ScopedRule | undefined
  /** Empty if the release goes. */
  readonly reasons: readonly Reason[]
  /**
   * The bytes that come free if the release goes; 0 if it stays, or if another release has the same bytes.
   */
  readonly freedBytes: number
}

/**
 * The maximum number of releases that are examined to find out whether everything that depends on a release
 * goes, too. A release on which more releases depend stays until some of these are gone.
 */
const MAX_EXAMINED_DEPENDENTS = 200

/** Decides whether releases stay or go. The verdicts have the order of the releases. */
export async function judge(db: Db, keepers: Keepers, releases: readonly Candidate[]): Promise<Verdict[]> {
  const finder = new ReasonFinder(db, keepers)
  const direct = await finder.findDirect(releases)
  const verdicts: Verdict[] = []
  for (const release of releases) {
    const own = direct.get(release.releaseId) ?? []
    const reasons = own.length > 0 ? own : await finder.findThroughDependents(release)
    verdicts.push({ release, rule: ruleFor(keepers.rules, release.ident), reasons, freedBytes: 0 })
  }
  const going = verdicts.filter(({ reasons }) => reasons.length === 0)
  const unshared = await listUnshared(
    db,
    going.map(({ release }) => release.checksum),
  )
  return verdicts.map((verdict) =>
    verdict.reasons.length === 0 && unshared.has(verdict.release.checksum)
      ? { ...verdict, freedBytes: verdict.release.sizeBytes }
      : verdict,
  )
}

/** Finds why releases stay. Remembers what it has found, because many releases depend on the same ones. */
class ReasonFinder {
  readonly #db: Db
  readonly #keepers: Keepers
  readonly #direct = new Map<number, readonly Reason[]>()
  /** The releases that go because neither they nor anything that depends on them stays. */
  readonly #going = new Set<number>()
  readonly #highest = new Map<string, ReadonlySet<number>>()

  constructor(db: Db, keepers: Keepers) {
    this.#db = db
    this.#keepers = keepers
  }

  /** Returns why releases stay, apart from the releases that depend on them. By release id. */
  async findDirect(releases: readonly Candidate[]): Promise<ReadonlyMap<number, readonly Reason[]>> {
    const unknown = releases.filter(({ releaseId }) => !this.#direct.has(releaseId))
    const undecided: Candidate[] = []
    const everIn = await this.#listEverIn(unknown)
    for (const release of unknown) {
      const reasons = await this.#ruleReasons(release, everIn.get(release.releaseId) ?? [])
      this.#direct.set(release.releaseId, reasons)
      if (reasons.length === 0) undecided.push(release)
    }
    for (const [id, needs] of await listNeeds(this.#db, this.#keepers, undecided)) this.#direct.set(id, needs)
    return this.#direct
  }

  /** Returns why a release without direct reasons stays: a release that depends on it stays. */
  async findThroughDependents(release: Candidate): Promise<readonly Reason[]> {
    const examined = new Map<number, Candidate>([[release.releaseId, release]])
    let wave: readonly Candidate[] = [release]
    while (wave.length > 0) {
      const next: Candidate[] = []
      for (const needed of wave) {
        const all = await listNeeding(this.#db, needed, MAX_EXAMINED_DEPENDENTS + 1)
        const needing = all.filter(({ releaseId }) => !examined.has(releaseId) && !this.#going.has(releaseId))
        const direct = await this.findDirect(needing)
        const staying = needing.find(({ releaseId }) => (direct.get(releaseId) ?? []).length > 0)
        if (staying !== undefined) return [dependencyOf(staying, true)]
        for (const each of needing) examined.set(each.releaseId, each)
        const [first] = all
        if (first !== undefined && Math.max(all.length, examined.size) > MAX_EXAMINED_DEPENDENTS)
          return [dependencyOf(first, false)]
        next.push(...needing)
      }
      wave = next
    }
    for (const id of examined.keys()) this.#going.add(id)
    return []
  }

  async #ruleReasons(release: Candidate, everIn: readonly string[]): Promise<readonly Reason[]> {
    const { clock, rules } = this.#keepers
    const rule = ruleFor(rules, release.ident)
    if (rule === undefined) return [{ kind: 'no-rule' }]
    const { keepAll, keepLast = 1, newerThanMs, promotedTo = [] } = rule.rule
    if (keepAll === true) return [{ kind: 'keep-all', rule }]
    if (isWithin(release.createdAt, MIN_AGE_MS, clock)) return [{ kind: 'young' }]
    if (newerThanMs !== undefined && isWithin(release.createdAt, newerThanMs, clock))
      return [{ kind: 'newer', rule }]
    if ((await this.#listHighest(release, keepLast)).has(release.releaseId)) return [{ kind: 'last', rule }]
    const view = promotedTo.find((name) => everIn.includes(name))
    return view === undefined ? [] : [{ kind: 'promoted', rule, view }]
  }

  /** Lists, by release id, the views of its rule's `promotedTo` that ever contained a release. */
  async #listEverIn(releases: readonly Candidate[]): Promise<ReadonlyMap<number, readonly string[]>> {
    const views = new Set<string>()
    const asked: Candidate[] = []
    for (const release of releases) {
      const named = ruleFor(this.#keepers.rules, release.ident)?.rule.promotedTo ?? []
      for (const view of named) views.add(view)
      if (named.length > 0) asked.push(release)
    }
    return listEverIn(this.#db, asked, [...views])
  }

  async #listHighest(release: Candidate, limit: number): Promise<ReadonlySet<number>> {
    const line = lineOf(release)
    const known = this.#highest.get(line) ?? new Set(await listHighest(this.#db, release, limit))
    this.#highest.set(line, known)
    return known
  }
}

/**
 * Reports whether a time is less than `ms` ago. A time in the future counts from when the clock was set back.
 */
function isWithin(at: number, ms: number, clock: Clock): boolean {
  return durationStart(at, clock) > clock.now - ms
}

function dependencyOf({ ident, target }: Candidate, isKnownToStay: boolean): Reason {
  return { kind: 'dependency', by: { ident: formatIdent(ident), target }, isKnownToStay }
}
