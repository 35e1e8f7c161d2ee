import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../access/access.ts'
import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { FIRST_HEAD } from '../ledger/chain.ts'
import type { Subscriber } from '../ledger/follower.ts'
import type { LedgerEntry, LedgerEvent, Promotion } from '../ledger/entry.ts'
import { isMarkEvent } from '../ledger/mark-events.ts'
import type { Line, ReleaseName } from '../package/ident.ts'
import { formatIdent, formatPackageName, lineKey, lineOf, releaseKey } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { listUpstreamOrigins } from '../origins/origin-store.ts'
import type { Release } from '../releases/release.ts'
import { listMarks } from '../releases/mark-store.ts'
import { findLatest, findRelease, isInView, listViewsOf } from '../releases/release-store.ts'
import { DEFAULT_UNGOVERNED } from '../views/view.ts'
import { findView, listViews, readRevisions } from '../revisions/view-store.ts'
import { AnswerCache } from './answer-cache.ts'
import { pointersOf, readPointers } from './read-pointers.ts'
import { PublicPointers } from './public-pointers.ts'
import type { Pointer, PublicPointer } from './public-pointers.ts'
import { PackageAnswer } from './package-answer.ts'
import type { ExactQuestion, LatestQuestion, Shape } from './question.ts'

/** The answer to a {@link LatestQuestion}. */
export interface LatestAnswer {
  readonly package: PackageAnswer
  /**
   * The revision that moved the pointer here; `undefined` if the question named a version. The public has
   * pointers of its own, which may have moved at other revisions.
   */
  readonly revision: number | undefined
}

/** A revision of a view, and the hash of the ledger entry that made it. */
export interface ViewRevision {
  readonly number: number
  readonly hash: string
}

/** Functions that render a release and the views that contain it, by shape. */
export type Renderers = Readonly<Record<Shape, (release: Release, views: readonly string[]) => Buffer>>

/** Limits of the cache of absent releases: number of keys, and characters in a key. */
const MAX_ABSENT_KEYS = 10_000
const MAX_ABSENT_KEY_LENGTH = 300

/**
 * Answers `latest` from memory. All pointers of all views are in memory. Rendered bodies are cached up to a
 * number of bytes. Commits update both before their callers get an answer, so a poll that starts after a
 * promotion was answered sees the promotion. Members of an origin and the public have separate pointers, but
 * share the bodies. A pointer is the release that `latest` answers for a line of a view.
 */
export class Answers implements Subscriber {
  readonly #db: Db
  readonly #renderers: Renderers
  readonly #pointers: Map<string, Map<Line, Pointer>>
  readonly #publicPointers: PublicPointers
  /** The ungoverned origins of each open view, by its name; see {@link governs}. */
  readonly #ungoverned: Map<string, ReadonlySet<string>>
  /** The origins whose releases come from the upstream depot. */
  readonly #upstreamOrigins: Set<string>
  readonly #revisions: Map<string, ViewRevision>
  /** The names of the open previews, which are views that show the effect of a plan. */
  readonly #previews: Set<string>
  /** The releases that have a mark, or had one since this object was opened. */
  readonly #marked: Set<string>
  /** Cached answers by release and shape. */
  readonly #bodies = new AnswerCache()
  /** Keys of releases and of questions that have no answer. */
  readonly #absent = new Set<string>()
  /** Changes with every commit that may change answers. Results of reads that began before are not cached. */
  #generation = 0

  private constructor(
    db: Db,
    renderers: Renderers,
    state: {
      pointers: Map<string, Map<Line, Pointer>>
      publicPointers: PublicPointers
      ungoverned: Map<string, ReadonlySet<string>>
      upstreamOrigins: Set<string>
      revisions: Map<string, ViewRevision>
      previews: Set<string>
      marked: Set<string>
    },
  ) {
    this.#db = db
    this.#renderers = renderers
    this.#pointers = state.pointers
    this.#publicPointers = state.publicPointers
    this.#ungoverned = state.ungoverned
    this.#upstreamOrigins = state.upstreamOrigins
    this.#revisions = state.revisions
    this.#previews = state.previews
    this.#marked = state.marked
  }

  /** Reads every pointer. The caller must pass every later entry to `onCommit`. */
  static async open(db: Db, renderers: Renderers): Promise<Answers> {
    const views = await listViews(db)
    const pointers = await readPointers(db, views)
    const ungoverned = new Map(views.map((view) => [view.name as string, new Set(view.ungoverned)]))
    const revisions = await readRevisions(db)
    return new Answers(db, renderers, {
      pointers,
      publicPointers: await PublicPointers.open(db, pointers),
      ungoverned,
      upstreamOrigins: new Set(await listUpstreamOrigins(db)),
      revisions,
      previews: new Set(views.flatMap(({ name, preview }) => (preview === undefined ? [] : [name]))),
      marked: new Set((await listMarks(db)).map(releaseKey)),
    })
  }

  /** Reports whether an open view has this name. */
  isOpen(view: string): boolean {
    return this.#ungoverned.has(view)
  }

  /** Returns the names of the open views, in the order in which they were opened. */
  openViews(): Iterable<string> {
    return this.#ungoverned.keys()
  }

  /**
   * Reports whether a view governs an origin. Each view's URL serves the whole Habitat API. There, packages
   * of a governed origin are found only if the view has them; packages of other origins come from the channel
   * that the request names. No view governs an upstream origin.
   */
  governs(view: string, origin: string): boolean {
    return this.#ungoverned.get(view)?.has(origin) !== true && !this.isUpstream(origin)
  }

  /** Reports whether the releases of an origin come from the upstream depot. */
  isUpstream(origin: string): boolean {
    return this.#upstreamOrigins.has(origin)
  }

  /**
   * Returns the revision that {@link latest} answers from; 0 for a view without promotions and for an unknown
   * view.
   */
  revisionOf(view: string): ViewRevision {
    return this.#revisions.get(view) ?? { number: 0, hash: FIRST_HEAD.hash }
  }

  /**
   * Reports whether `latest` names this release already, so that promoting it would change nothing. Returns
   * false if the view is closed or a preview, or the release has a mark: the writer then reports the error or
   * the mark.
   */
  isCurrent(view: string, release: ReleaseName): boolean {
    const pointer = this.#pointers.get(view)?.get(lineOf(release))
    return (
      pointer?.ident === release.ident &&
      this.isOpen(view) &&
      !this.#previews.has(view) &&
      !this.#marked.has(releaseKey(release))
    )
  }

  /** Returns the pointer of a line in a view, whatever its visibility. */
  pointerOf(
    view: string,
    line: { package: string; target: string },
  ): { ident: string; revision: number } | undefined {
    return this.#pointers.get(view)?.get(lineKey(line))
  }

  /**
   * Finds the latest release; `undefined` if the view has none that the audience may see. Returns a promise
   * only if the answer is not in memory.
   */
  latest(
    question: LatestQuestion,
    audience: Audience,
  ): LatestAnswer | undefined | Promise<LatestAnswer | undefined> {
    const { view, origin, name, target } = question
    const line = lineKey({ package: formatPackageName({ origin, name }), target })
    const pointer = this.#pointers.get(view)?.get(line)
    if (pointer === undefined) return undefined
    if (audience.seesAll || audience.origins.includes(origin))
      return this.#resolvePointer(question, pointer, UNRESTRICTED_AUDIENCE)
    if (!this.#publicPointers.isRestricted(line))
      return this.#resolvePointer(question, pointer, PUBLIC_AUDIENCE)
    const publicPointer = this.#publicPointers.find(view, line)
    if (publicPointer instanceof Promise)
      return publicPointer.then((found) => found && this.#resolvePointer(question, found, PUBLIC_AUDIENCE))
    return publicPointer && this.#resolvePointer(question, publicPointer, PUBLIC_AUDIENCE)
  }

  /**
   * Reports whether {@link latest} would find a release. Returns a promise only if the answer is not in
   * memory.
   */
  hasLatest(
    { view, origin, name, target }: Pick<LatestQuestion, 'view' | 'origin' | 'name' | 'target'>,
    audience: Audience,
  ): boolean | Promise<boolean> {
    const line = lineKey({ package: formatPackageName({ origin, name }), target })
    if (this.#pointers.get(view)?.has(line) !== true) return false
    if (audience.seesAll || audience.origins.includes(origin) || !this.#publicPointers.isRestricted(line))
      return true
    const publicPointer = this.#publicPointers.find(view, line)
    return publicPointer instanceof Promise
      ? publicPointer.then((found) => found?.ident !== undefined)
      : publicPointer?.ident !== undefined
  }

  /**
   * Returns the idents of the latest releases of an origin by line, for one target or all, in no order.
   * Examines every line of the view, at about 50 ns each.
   */
  async listLatest(
    { view, origin, target }: { view: string; origin: string; target?: Target },
    audience: Audience,
  ): Promise<Map<Line, string>> {
    const seesAll = audience.seesAll || audience.origins.includes(origin)
    const [beginning, end] = [`${origin}/`, target === undefined ? '' : ` ${target}`]
    const latest = new Map<Line, string>()
    const restricted: Line[] = []
    for (const [line, pointer] of this.#pointers.get(view) ?? []) {
      if (!line.startsWith(beginning) || !line.endsWith(end)) continue
      if (seesAll || !this.#publicPointers.isRestricted(line)) latest.set(line, pointer.ident)
      else restricted.push(line)
    }
    await Promise.all(
      restricted.map(async (line) => {
        const pointer = await this.#publicPointers.find(view, line)
        if (pointer?.ident !== undefined) latest.set(line, pointer.ident)
      }),
    )
    return latest
  }

  /**
   * Finds the body of one release; `undefined` if it does not exist, is not visible to the audience, or is
   * not in the view of the question. Returns a promise only if the answer is not in memory.
   */
  exact(
    question: ExactQuestion,
    audience: Audience,
  ): PackageAnswer | undefined | Promise<PackageAnswer | undefined> {
    const { shape, ident, target, view } = question
    if (target === undefined) return this.#readExact(question, audience)
    const cached = this.#bodies.get(`${ident} ${target} ${shape}`)
    // Other audiences read the database, because releases that are absent for the public may be there for
    // them.
    if (cached === undefined)
      return isPublicAudience(audience) && this.#absent.has(releaseKey({ ident, target }))
        ? undefined
        : this.#readExact(question, audience)
    const maySee = cached.isPublic || audience.seesAll || audience.origins.includes(cached.origin)
    return maySee && (view === undefined || cached.views.includes(view)) ? cached : undefined
  }

  /** See {@link Subscriber.onCommit}. */
  onCommit(entries: readonly LedgerEntry[]): void {
    for (const { event, hash } of entries) {
      if (event.kind === 'promotion') this.#revisions.set(event.view, { number: event.revision, hash })
      this.#applyEvent(event)
      this.#publicPointers.onEvent(event, this.#pointers)
    }
  }

  #applyEvent(event: LedgerEvent): void {
    if (event.kind === 'promotion') this.#applyPromotion(event)
    if (isMarkEvent(event)) this.#marked.add(releaseKey(event))
    // An announced release may be in no view. Then no promotion evicts it when it is announced or deleted.
    if (isMarkEvent(event) || event.kind === 'release-announced' || event.kind === 'release-deleted')
      this.#evictReleases([event], [])
    if (event.kind === 'visibility-set')
      this.#evictReleases(
        event.targets.map((target) => ({ ident: event.ident, target })),
        this.#pointers.values(),
      )
    if (event.kind === 'view-created') this.#ungoverned.set(event.view, new Set(DEFAULT_UNGOVERNED))
    if (event.kind === 'ungoverned-set') this.#ungoverned.set(event.view, new Set(event.origins))
    if (event.kind === 'origin-adopted') this.#upstreamOrigins.add(event.origin)
    if (event.kind === 'origin-disowned') this.#upstreamOrigins.delete(event.origin)
    if (event.kind === 'preview-made') this.#previews.add(event.view)
    if (event.kind === 'view-closed') {
      this.#ungoverned.delete(event.view)
      this.#previews.delete(event.view)
    }
  }

  #applyPromotion(promotion: Promotion): void {
    const pointers = pointersOf(this.#pointers, promotion.view)
    this.#evictReleases([...promotion.joined, ...promotion.left], [pointers])
    if (promotion.rule !== undefined) for (const pointer of pointers.values()) pointer.versions = undefined
    for (const move of promotion.pointers) {
      const [line, ident] = [lineKey(move), move.to]
      if (ident === null) pointers.delete(line)
      else pointers.set(line, { ident, revision: promotion.revision, versions: undefined })
    }
  }

  #evictReleases(releases: readonly ReleaseName[], views: Iterable<Map<Line, Pointer>>): void {
    this.#generation += 1
    this.#absent.clear()
    for (const { ident, target } of releases) {
      this.#bodies.evict(`${ident} ${target} whole`)
      this.#bodies.evict(`${ident} ${target} brief`)
    }
    for (const pointers of views) {
      for (const release of releases) pointers.get(lineOf(release))?.versions?.clear()
    }
  }

  #resolvePointer(
    question: LatestQuestion,
    pointer: PublicPointer,
    audience: Audience,
  ): LatestAnswer | undefined | Promise<LatestAnswer | undefined> {
    const { shape, version, target } = question
    if (version === undefined && pointer.ident === undefined) return undefined
    const ident = version === undefined ? pointer.ident : pointer.versions?.get(version)
    const cached = ident === undefined ? undefined : this.#bodies.get(`${ident} ${target} ${shape}`)
    if (cached !== undefined)
      return { package: cached, revision: version === undefined ? pointer.revision : undefined }
    if (version !== undefined && this.#absent.has(absenceKey(question, audience))) return undefined
    return this.#readLatest(question, pointer, audience)
  }

  async #readLatest(
    question: LatestQuestion,
    pointer: PublicPointer,
    audience: Audience,
  ): Promise<LatestAnswer | undefined> {
    const { version } = question
    const generation = this.#generation
    const release = await this.#findLatest(question, pointer, audience)
    if (release === undefined) {
      this.#cacheAbsence(absenceKey(question, audience), generation)
      return undefined
    }
    if (version !== undefined && generation === this.#generation)
      (pointer.versions ??= new Map()).set(version, formatIdent(release.ident))
    const answer = await this.#answer(release, question.shape, generation)
    return { package: answer, revision: version === undefined ? pointer.revision : undefined }
  }

  async #findLatest(question: LatestQuestion, { ident }: PublicPointer, audience: Audience) {
    const { version, target } = question
    if (version === undefined)
      return ident === undefined ? undefined : findRelease(this.#db, ident, target, audience)
    const view = await findView(this.#db, question.view)
    return view && findLatest(this.#db, { ...question, view, version }, audience)
  }

  async #readExact(
    { shape, ident, target, view }: ExactQuestion,
    audience: Audience,
  ): Promise<PackageAnswer | undefined> {
    const generation = this.#generation
    const release = await findRelease(this.#db, ident, target, audience)
    if (release === undefined && target !== undefined && isPublicAudience(audience))
      this.#cacheAbsence(releaseKey({ ident, target }), generation)
    if (release === undefined || (view !== undefined && !(await isInView(this.#db, view, release.id))))
      return undefined
    return this.#bodies.get(`${ident} ${release.target} ${shape}`) ?? this.#answer(release, shape, generation)
  }

  async #answer(release: Release, shape: Shape, generation: number): Promise<PackageAnswer> {
    const views = (await listViewsOf(this.#db, release.id)).map((view) => view.name)
    const ident = formatIdent(release.ident)
    const { checksum, target } = release
    const answer = new PackageAnswer(
      { ident, checksum, target, isPublic: release.visibility === 'public', views },
      this.#renderers[shape](release, views),
    )
    // A commit since the read may have changed the rows. The next request reads them again.
    if (generation === this.#generation) this.#bodies.add(`${ident} ${target} ${shape}`, answer)
    return answer
  }

  /**
   * Remembers, until the next change, that a release is absent. The number of keys is limited, so requests
   * cannot fill the memory.
   */
  #cacheAbsence(key: string, generation: number): void {
    if (generation !== this.#generation || key.length > MAX_ABSENT_KEY_LENGTH) return
    if (this.#absent.size >= MAX_ABSENT_KEYS) this.#absent.clear()
    this.#absent.add(key)
  }
}

/** Returns a key of a question in `#absent`. Members of the origin and the public have different answers. */
function absenceKey(
  { view, origin, name, version = '', target }: LatestQuestion,
  audience: Audience,
): string {
  return `${view} ${origin}/${name}/${version} ${target} ${audience.seesAll}`
}

function isPublicAudience(audience: Audience): boolean {
  return !audience.seesAll && audience.origins.length === 0
}
