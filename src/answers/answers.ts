import { EVERYONE } from '../accounts/access.ts'
import type { Audience } from '../accounts/access.ts'
import type { Db } from '../database/database.ts'
import type { LedgerEntry, Promotion } from '../ledger/entry.ts'
import { formatIdent } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import type { Release } from '../releases/release.ts'
import { findLatest, findRelease, isInView, listViewsOf } from '../releases/release-store.ts'
import { listPointersAt } from '../views/content-store.ts'
import type { View } from '../views/view.ts'
import { findView, listPointers } from '../views/view-store.ts'

/** Whole, or without the long texts, as Builder answers outside of channels. */
export type Shape = 'whole' | 'brief'

/** A question of the kind that supervisors ask all day. The parts are as they stood in the URL, decoded. */
export interface LatestQuestion {
  readonly shape: Shape
  readonly view: string
  readonly origin: string
  readonly name: string
  readonly version?: string | undefined
  readonly target: Target
}

/** The finished body of a package, with what its headers need. */
export interface PackageAnswer {
  readonly body: Buffer
  readonly ident: string
  readonly checksum: string
  readonly target: Target
  /** Whether everyone may see it: what is not for everyone must not be kept by caches. */
  readonly isPublic: boolean
}

export interface LatestAnswer extends PackageAnswer {
  /** The revision of the view at which this pointer moved, as who asks could see; absent where the answer is not a pointer's. */
  readonly revision: number | undefined
}

/** Make the body of a release that is in these views, one for each shape. */
export type Renderers = Readonly<Record<Shape, (release: Release, views: readonly string[]) => Buffer>>

/** What `latest` of one package for one target is in one view. `versions` holds what was asked of it by version. */
interface Pointer {
  readonly ident: string
  readonly revision: number
  readonly versions: Map<string, string>
}

const MOST_BODY_BYTES = 64 * 1024 * 1024

/**
 * Answers `latest` without the database. All pointers of all views are in memory, so that one that is not there is a 404 at no
 * cost; bodies are kept up to a number of bytes. Both follow the ledger: an entry is heard of after its commit and before its
 * command is answered, so that a poll begun after a promotion's answer sees it. Only what the public may see is kept as bytes;
 * where a pointer's release is not public, the question goes to the database with the asker's audience.
 */
export class Answers {
  readonly #db: Db
  readonly #renderers: Renderers
  readonly #pointers = new Map<string, Map<string, Pointer>>()
  readonly #bodies = new Map<string, PackageAnswer>()
  #bodyBytes = 0
  #generation = 0

  private constructor(db: Db, renderers: Renderers) {
    this.#db = db
    this.#renderers = renderers
  }

  /** Reads every pointer. The caller passes on each commit made from then on. */
  static async open(db: Db, renderers: Renderers): Promise<Answers> {
    const answers = new Answers(db, renderers)
    for (const { view, origin, name, target, ident, revision } of await listPointers(db)) {
      answers.#ofView(view).set(`${origin}/${name} ${target}`, { ident, revision, versions: new Map() })
    }
    return answers
  }

  /**
   * `undefined` when there is no such release in the view, or none that the audience may see. Nearly always the answer is at hand,
   * and then it is no promise.
   */
  latest(question: LatestQuestion, audience: Audience): LatestAnswer | undefined | Promise<LatestAnswer | undefined> {
    const { shape, view, origin, name, version, target } = question
    const pointer = this.#pointers.get(view)?.get(`${origin}/${name} ${target}`)
    if (pointer === undefined) return undefined
    const ident = version === undefined ? pointer.ident : pointer.versions.get(version)
    const kept = ident === undefined ? undefined : this.#bodies.get(`${ident} ${target} ${shape}`)
    if (kept === undefined) return this.#lookUp(question, pointer, audience)
    return { ...kept, revision: version === undefined ? pointer.revision : undefined }
  }

  /**
   * The body of one release: `undefined` when it is not there, not for this audience or, where a view is named, not in that view.
   * Without a target, that for `x86_64-linux` or, failing it, the first by name.
   */
  async exact(question: { shape: Shape; ident: string; target: Target | undefined; view?: string }, audience: Audience): Promise<PackageAnswer | undefined> {
    const { shape, ident, target, view } = question
    const generation = this.#generation
    const release = await findRelease(this.#db, ident, target, audience)
    if (release === undefined || (view !== undefined && !(await isInView(this.#db, view, release.id)))) return undefined
    return this.#bodies.get(`${ident} ${release.target} ${shape}`) ?? this.#answer(release, shape, generation)
  }

  /** Takes in what was committed. Never throws. */
  onCommit(entries: readonly LedgerEntry[]): void {
    for (const { event } of entries) {
      if (event.kind === 'promotion') this.#apply(event)
    }
  }

  #apply(promotion: Promotion): void {
    this.#generation += 1
    const pointers = this.#ofView(promotion.view)
    for (const { ident, target } of [...promotion.joined, ...promotion.left]) {
      this.#forget(`${ident} ${target} whole`)
      this.#forget(`${ident} ${target} brief`)
      pointers.get(`${ident.split('/', 2).join('/')} ${target}`)?.versions.clear()
    }
    for (const { package: name, target, to } of promotion.pointers) {
      if (to === null) pointers.delete(`${name} ${target}`)
      else pointers.set(`${name} ${target}`, { ident: to, revision: promotion.revision, versions: new Map() })
    }
  }

  async #lookUp(question: LatestQuestion, pointer: Pointer, audience: Audience): Promise<LatestAnswer | undefined> {
    const { version, target } = question
    const generation = this.#generation
    const view = await findView(this.#db, question.view)
    if (view === undefined) return undefined
    // What the rule puts first is the answer for everyone where it is public; where it is not, it depends on who asks.
    const first =
      version === undefined
        ? await findRelease(this.#db, pointer.ident, target, EVERYONE)
        : await findLatest(this.#db, { ...question, view, version }, EVERYONE)
    const isForAll = first?.visibility === 'public'
    const release = isForAll ? first : await findLatest(this.#db, { ...question, view, version }, audience)
    if (release === undefined) return undefined
    const ident = formatIdent(release.ident)
    if (version !== undefined && isForAll && generation === this.#generation) pointer.versions.set(version, ident)
    const answer = await this.#answer(release, question.shape, generation)
    if (version !== undefined) return { ...answer, revision: undefined }
    return { ...answer, revision: ident === pointer.ident ? pointer.revision : await this.#revisionFor(audience, view, question) }
  }

  /** Since when a release below the pointer's is the latest to who may not see that. No revision at all would tell that there is one. */
  async #revisionFor(audience: Audience, view: View, { origin, name, target }: LatestQuestion): Promise<number | undefined> {
    const pointers = await listPointersAt(this.#db, view, view.revision, { origin, name, limit: TARGETS.length }, audience)
    return pointers.find((pointer) => pointer.target === target)?.sinceRevision
  }

  async #answer(release: Release, shape: Shape, generation: number): Promise<PackageAnswer> {
    const views = await listViewsOf(this.#db, release.id)
    const body = this.#renderers[shape](release, views.map((view) => view.name).toReversed())
    const isPublic = release.visibility === 'public'
    const answer = { body, ident: formatIdent(release.ident), checksum: release.checksum, target: release.target, isPublic }
    // A commit in between may have changed what was read: then the next asker reads it anew.
    if (isPublic && generation === this.#generation) this.#keep(`${answer.ident} ${release.target} ${shape}`, answer)
    return answer
  }

  #keep(key: string, answer: PackageAnswer): void {
    this.#forget(key)
    this.#bodies.set(key, answer)
    this.#bodyBytes += answer.body.length
    for (const oldest of this.#bodies.keys()) {
      if (this.#bodyBytes <= MOST_BODY_BYTES) break
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    this.#bodyBytes -= this.#bodies.get(key)?.body.length ?? 0
    this.#bodies.delete(key)
  }

  #ofView(view: string): Map<string, Pointer> {
    const found = this.#pointers.get(view)
    if (found !== undefined) return found
    const made = new Map<string, Pointer>()
    this.#pointers.set(view, made)
    return made
  }
}
