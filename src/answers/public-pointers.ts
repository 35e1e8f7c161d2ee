import { PUBLIC_AUDIENCE } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { listNotPublic } from '../releases/release-store.ts'
import { listPointersAt } from '../revisions/content-store.ts'
import { findView } from '../revisions/view-store.ts'
import { hasVisibleAnswers } from '../revisions/visible-pointer-store.ts'
import { formatPackageName, lineOf } from '../package/ident.ts'
import type { Line } from '../package/ident.ts'

/**
 * The release that `latest` answers for a line of a view, and the revision since which it does. `versions`
 * caches the latest ident of single versions.
 */
export interface Pointer {
  readonly ident: string
  readonly revision: number
  versions: Map<string, string> | undefined
}

/**
 * The pointer that the public sees on a restricted line. If `ident` is `undefined`, the public has no
 * `latest` of the line, but may have a latest release of a version.
 */
export type PublicPointer = Omit<Pointer, 'ident'> & { readonly ident: string | undefined }

/** Stands for all deleted releases of a line in {@link PublicPointers}. */
const DELETED = ''

type CachedPointer = PublicPointer | 'nothing' | Promise<PublicPointer | undefined>

/**
 * The pointers that the public sees on restricted lines: those where members of the origin may see other
 * releases than the public. They are computed before the first request, so that requests for a private
 * package take as long as those for a missing one.
 */
export class PublicPointers {
  readonly #db: Db
  /**
   * The idents of the non-public releases of each restricted line. A line stays restricted when such a
   * release is deleted, because the time at which the public's `latest` moved would reveal the release.
   */
  readonly #restricted = new Map<Line, Set<string>>()
  /** Public pointers of restricted lines, by view. */
  readonly #pointers = new Map<string, Map<Line, CachedPointer>>()

  private constructor(db: Db) {
    this.#db = db
  }

  /** `pointers` are the current pointers for callers who see everything. */
  static async open(
    db: Db,
    pointers: ReadonlyMap<string, ReadonlyMap<Line, Pointer>>,
  ): Promise<PublicPointers> {
    const publicPointers = new PublicPointers(db)
    const withoutPublic = new Set<Line>()
    for (const { line, ident, isDeleted, hasNoPublicRelease } of await listNotPublic(db)) {
      publicPointers.#restrict(line, isDeleted ? DELETED : ident)
      if (hasNoPublicRelease) withoutPublic.add(line)
    }
    for (const [view, lines] of pointers) {
      for (const line of lines.keys()) {
        if (withoutPublic.has(line)) publicPointers.#ofView(view).set(line, 'nothing')
        else if (publicPointers.isRestricted(line))
          publicPointers
            .#ofView(view)
            .set(line, (await publicPointers.#readFromDatabase(db, view, line)) ?? 'nothing')
      }
    }
    return publicPointers
  }

  isRestricted(line: Line): boolean {
    return this.#restricted.has(line)
  }

  /**
   * Finds the public pointer of a restricted line. Returns a promise only shortly after a commit that changed
   * the line.
   */
  find(view: string, line: Line): PublicPointer | undefined | Promise<PublicPointer | undefined> {
    const cached = this.#pointers.get(view)?.get(line)
    if (cached === undefined) return this.#read(view, line)
    return cached === 'nothing' ? undefined : cached
  }

  /** Takes a committed event. `pointers` are the pointers for callers who see everything. Never throws. */
  onEvent(event: LedgerEvent, pointers: ReadonlyMap<string, ReadonlyMap<Line, Pointer>>): void {
    if (event.kind === 'release-published' && event.visibility !== 'public')
      this.#restrict(lineOf(event), event.ident)
    if (event.kind === 'release-deleted' && this.#restricted.get(lineOf(event))?.has(event.ident) === true) {
      this.#unrestrict(lineOf(event), event.ident)
      this.#restrict(lineOf(event), DELETED)
    }
    if (event.kind === 'visibility-set') {
      for (const target of event.targets) {
        const line = lineOf({ ident: event.ident, target })
        if (event.visibility === 'public') this.#unrestrict(line, event.ident)
        else this.#restrict(line, event.ident)
        for (const [view, lines] of pointers) if (lines.has(line)) this.#readAhead(view, line)
      }
    }
    if (event.kind === 'promotion') {
      // A new rule may change the public `latest` of every line, even if the members' `latest` stays.
      const allLines = event.rule === undefined ? [] : (pointers.get(event.view)?.keys() ?? [])
      for (const line of new Set([...[...event.joined, ...event.left].map(lineOf), ...allLines]))
        this.#readAhead(event.view, line)
    }
  }

  #restrict(line: Line, ident: string): void {
    const idents = this.#restricted.get(line) ?? new Set()
    this.#restricted.set(line, idents.add(ident))
  }

  #unrestrict(line: Line, ident: string): void {
    const idents = this.#restricted.get(line)
    idents?.delete(ident)
    if (idents?.size === 0) this.#restricted.delete(line)
  }

  #readAhead(view: string, line: Line): void {
    const lines = this.#ofView(view)
    lines.delete(line)
    if (this.#restricted.has(line)) this.#read(view, line).catch(() => undefined) // the next request retries and gets the error
  }

  /** Reads the public pointer. If a commit starts another read meanwhile, the later read wins. */
  async #read(view: string, line: Line): Promise<PublicPointer | undefined> {
    const lines = this.#ofView(view)
    const reading = this.#readFromDatabase(this.#db, view, line)
    lines.set(line, reading)
    try {
      const pointer = await reading
      if (lines.get(line) === reading) lines.set(line, pointer ?? 'nothing')
      return pointer
    } catch (error) {
      if (lines.get(line) === reading) lines.delete(line)
      throw error
    }
  }

  async #readFromDatabase(db: Db, name: string, line: Line): Promise<PublicPointer | undefined> {
    const view = await findView(db, name)
    if (view === undefined) return undefined
    const [origin = '', packageName = '', target = ''] = line.split(/[/ ]/)
    const found = await listPointersAt(
      db,
      view,
      view.revision,
      { origin, name: packageName, limit: TARGETS.length },
      PUBLIC_AUDIENCE,
    )
    const pointer = found.find((candidate) => candidate.target === target)
    if (pointer !== undefined)
      return { ident: pointer.ident, revision: pointer.sinceRevision, versions: undefined }
    const place = [formatPackageName({ origin, name: packageName }), target as Target] as const
    return (await hasVisibleAnswers(db, view, place, PUBLIC_AUDIENCE))
      ? { ident: undefined, revision: 0, versions: undefined }
      : undefined
  }

  #ofView(view: string): Map<Line, CachedPointer> {
    const found = this.#pointers.get(view) ?? new Map<Line, CachedPointer>()
    this.#pointers.set(view, found)
    return found
  }
}
