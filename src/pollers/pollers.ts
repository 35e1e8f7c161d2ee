import { randomInt } from 'node:crypto'
import { CountedNames } from './counted-names.ts'
import type { CountedName } from './counted-names.ts'
import { addTo, estimate, hashText, makeSketch, mergeInto } from './sketch.ts'
import type { Sketch } from './sketch.ts'
import { estimateUptake, riseOf } from './uptake.ts'
import type { Rise, UptakePoint } from './uptake.ts'

// Counts the clients that poll, from their polls alone. A poller is an address, not a host: several hosts may
// share an address, a proxy may hide all of them, and of a group with rolling updates only the leader polls.

/** A poller counts for one to two windows after its last poll. */
export const WINDOW_MS = 5 * 60_000
/** The maximum number of lines that each answering thread counts. Each has three sketches and rises. */
const MAX_LINES = 2_000
/** The maximum number of names in each of the lists of failed polls. */
const MAX_NAMES = 1_000

/** A package for a target in a view. */
export interface PolledLine {
  readonly view: string
  /** `origin/name`. */
  readonly package: string
  readonly target: string
}

/** The sketches of a line. */
interface LineSketches extends PolledLine {
  /** The window of the last poll: the number of windows since the epoch. */
  window: number
  /** The pollers of that window. */
  present: Sketch
  /** The pollers of the window before it. */
  past: Sketch
  /** The highest revision from which a poll was answered. */
  revision: number
  /** The pollers that were answered from that revision. */
  upToDate: Sketch
  /** When the registers of `upToDate` rose. */
  rises: Rise[]
}

/** The counts of one thread, or of several together. They can be sent to another thread. */
export interface PollCounts {
  /** Since when all of the threads have counted, in epoch milliseconds. */
  readonly since: number
  readonly lines: readonly (PolledLine & {
    /** The pollers of the last one to two windows. */
    readonly recent: Sketch
    readonly revision: number
    readonly upToDate: Sketch
    readonly rises: readonly Rise[]
  })[]
  /** Whether some lines were not counted in the last one to two windows, because there were too many. */
  readonly isIncomplete: boolean
  readonly absentViews: readonly CountedName[]
  /** Packages that were not found, as `view origin/name`. */
  readonly absentPackages: readonly CountedName[]
  /** Addresses whose polls were refused for lack of a valid token. */
  readonly refusedAddresses: readonly CountedName[]
}

/** The estimates for a line. */
export interface LineEstimate extends PolledLine {
  /** Pollers of the last one to two windows. */
  readonly pollers: number
  /** The highest revision from which a poll was answered. */
  readonly revision: number
  /** Pollers that were answered from that revision. */
  readonly upToDate: number
  /** How `upToDate` grew. */
  readonly uptake: readonly UptakePoint[]
}

/** Returns a seed for {@link Pollers} that nobody can guess. */
export function makeSeed(): number {
  return randomInt(2 ** 32)
}

/** Counts the polls that one thread answers. Counting takes less than a microsecond and bounded memory. */
export class Pollers {
  /** Whether distinct pollers are counted. Names that do not exist always are. */
  readonly isCounting: boolean
  readonly #now: () => number
  readonly #since: number
  readonly #seed: number
  readonly #lines = new Map<string, LineSketches>()
  /** The window in which {@link #dropIdle} last searched. */
  #lastSweep = -1
  /** The last window in which there was no room for a line. */
  #lastOverflow = -Infinity
  readonly #absentViews = new CountedNames(MAX_NAMES)
  readonly #absentPackages = new CountedNames(MAX_NAMES)
  readonly #refusedAddresses = new CountedNames(MAX_NAMES)

  /** All threads need the same seed, so that a poller has the same hash in all of them. */
  constructor({ now, seed, isCounting }: { now: () => number; seed: number; isCounting: boolean }) {
    this.#now = now
    this.#since = now()
    this.#seed = seed
    this.isCounting = isCounting
  }

  /**
   * Counts a poll that was answered with a release. `revision` is the revision of the view in which this
   * release became `latest`. `poller` names the poller, for example by its address.
   */
  countFound(line: PolledLine, revision: number, poller: string): void {
    if (!this.isCounting) return
    const window = Math.floor(this.#now() / WINDOW_MS)
    const sketches = this.#sketchesOf(line, window)
    if (sketches === undefined) return
    const hash = hashText(poller, this.#seed)
    addTo(sketches.present, hash)
    if (revision > sketches.revision) {
      sketches.revision = revision
      sketches.upToDate = makeSketch()
      sketches.rises = []
    }
    // Pollers with fewer rights may get an older release.
    if (revision === sketches.revision && addTo(sketches.upToDate, hash))
      sketches.rises.push(riseOf(hash, this.#now()))
  }

  countAbsentPackage(view: string, packageName: string): void {
    this.#absentPackages.add(`${view} ${packageName}`, this.#now())
  }

  countAbsentView(view: string): void {
    this.#absentViews.add(view, this.#now())
  }

  /** Counts a poll without a valid token that needed one. */
  countRefused(address: string): void {
    this.#refusedAddresses.add(address, this.#now())
  }

  /** The counts of this thread. */
  counts(): PollCounts {
    const now = this.#now()
    const window = Math.floor(now / WINDOW_MS)
    return {
      since: this.#since,
      lines: [...this.#lines.values()].flatMap((line) => {
        const { view, package: name, target, revision, upToDate, rises } = line
        const recent = recentOf(line, window)
        return recent === undefined
          ? []
          : [{ view, package: name, target, revision, upToDate, rises, recent }]
      }),
      isIncomplete: window - this.#lastOverflow <= 1,
      absentViews: this.#absentViews.list(now),
      absentPackages: this.#absentPackages.list(now),
      refusedAddresses: this.#refusedAddresses.list(now),
    }
  }

  #sketchesOf({ view, package: name, target }: PolledLine, window: number): LineSketches | undefined {
    const key = `${view} ${name} ${target}`
    const known = this.#lines.get(key)
    if (known !== undefined) {
      if (known.window !== window) advance(known, window)
      return known
    }
    if (this.#lines.size >= MAX_LINES && !this.#dropIdle(window)) {
      this.#lastOverflow = window
      return undefined
    }
    const made: LineSketches = {
      view,
      package: name,
      target,
      window,
      present: makeSketch(),
      past: makeSketch(),
      revision: 0,
      upToDate: makeSketch(),
      rises: [],
    }
    this.#lines.set(key, made)
    return made
  }

  /** Removes lines that nobody polls any more, at most once in a window. Returns whether there is room. */
  #dropIdle(window: number): boolean {
    if (this.#lastSweep !== window) {
      this.#lastSweep = window
      for (const [key, line] of this.#lines) if (line.window < window - 1) this.#lines.delete(key)
    }
    return this.#lines.size < MAX_LINES
  }
}

/** Begins a window. The clock may have been set back, so any other window counts as a later one. */
function advance(line: LineSketches, window: number): void {
  line.past = line.window === window - 1 ? line.present : makeSketch()
  line.present = makeSketch()
  line.window = window
}

/** The pollers of the last one to two windows; `undefined` if there were none. */
function recentOf({ window: lineWindow, present, past }: LineSketches, window: number): Sketch | undefined {
  if (lineWindow === window - 1) return present
  if (lineWindow !== window) return undefined
  const recent = Uint8Array.from(present)
  mergeInto(recent, past)
  return recent
}

/** Merges the counts of several threads. */
export function mergeCounts(all: readonly PollCounts[]): PollCounts {
  const lines = new Map<string, PollCounts['lines'][number]>()
  for (const line of all.flatMap((counts) => counts.lines)) {
    const key = `${line.view} ${line.package} ${line.target}`
    const known = lines.get(key)
    lines.set(key, known === undefined ? line : mergeLines(known, line))
  }
  const names = (of: 'absentViews' | 'absentPackages' | 'refusedAddresses') =>
    mergeNames(all.flatMap((counts) => counts[of]))
  return {
    since: Math.max(...all.map(({ since }) => since)),
    lines: [...lines.values()],
    isIncomplete: all.some(({ isIncomplete }) => isIncomplete),
    absentViews: names('absentViews'),
    absentPackages: names('absentPackages'),
    refusedAddresses: names('refusedAddresses'),
  }
}

type Line = PollCounts['lines'][number]

function mergeLines(one: Line, other: Line): Line {
  const [newer, older] = one.revision >= other.revision ? [one, other] : [other, one]
  const recent = union([one.recent, other.recent])
  if (older.revision !== newer.revision) return { ...newer, recent }
  const upToDate = union([one.upToDate, other.upToDate])
  return { ...newer, recent, upToDate, rises: [...one.rises, ...other.rises] }
}

function union(sketches: Iterable<Sketch>): Sketch {
  const all = makeSketch()
  for (const sketch of sketches) mergeInto(all, sketch)
  return all
}

/** Adds up the counts of equal names. Keeps the names that were counted last, newest first. */
function mergeNames(names: readonly CountedName[]): CountedName[] {
  const merged = [...Map.groupBy(names, ({ name }) => name)].map(([name, counted]) => ({
    name,
    polls: counted.reduce((sum, { polls }) => sum + polls, 0),
    lastAt: Math.max(...counted.map(({ lastAt }) => lastAt)),
  }))
  return merged.toSorted((a, b) => b.lastAt - a.lastAt).slice(0, MAX_NAMES)
}

/** Estimates the pollers of each line, sorted by view, package and target. */
export function estimateLines({ lines }: PollCounts): LineEstimate[] {
  return lines
    .map(({ view, package: name, target, recent, revision, upToDate, rises }) => ({
      view,
      package: name,
      target,
      pollers: estimate(recent),
      revision,
      upToDate: estimate(upToDate),
      uptake: estimateUptake(rises),
    }))
    .toSorted((a, b) =>
      compareTexts(`${a.view} ${a.package} ${a.target}`, `${b.view} ${b.package} ${b.target}`),
    )
}

/** Estimates the pollers of each view, which may poll for several packages. */
export function estimateViews({ lines }: PollCounts): Map<string, number> {
  return new Map(
    [...Map.groupBy(lines, ({ view }) => view)].map(([view, found]) => [
      view,
      estimate(union(found.map(({ recent }) => recent))),
    ]),
  )
}

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
