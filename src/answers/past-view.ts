import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { formatIdent, lineKey } from '../package/ident.ts'
import type { Line } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { findLatest } from '../releases/release-store.ts'
import { listPointersAt } from '../revisions/content-store.ts'
import { findRevisionTime, getRevisionAt } from '../revisions/revision-store.ts'
import { findView } from '../revisions/view-store.ts'
import { ruleAt } from '../views/rule.ts'
import type { View } from '../views/view.ts'
import type { Answers, LatestAnswer } from './answers.ts'
import type { ExactQuestion, LatestQuestion } from './question.ts'
import type { PackageAnswer } from './package-answer.ts'

/** The number of lines that one query reads. */
const LINES_PER_PAGE = 1_000

/** A view at one of its revisions. */
interface ViewAt {
  readonly view: View
  readonly revision: number
}

/**
 * Answers polls from a view at one of its revisions. Each answer reads the database; only bodies come from
 * memory. Releases that were deleted since are absent.
 */
export class PastView {
  readonly #db: Db
  readonly #answers: Answers
  /** The name in the URL, for example `union@12`. */
  readonly name: string
  readonly view: View
  readonly revision: number

  constructor(db: Db, answers: Answers, past: ViewAt & { readonly name: string }) {
    this.#db = db
    this.#answers = answers
    this.name = past.name
    this.view = past.view
    this.revision = past.revision
  }

  /**
   * See {@link Answers.governs}. Uses the view's present setting, because only the ledger has former ones.
   */
  governs(_view: string, origin: string): boolean {
    return !this.view.ungoverned.includes(origin) && !this.isUpstream(origin)
  }

  /** See {@link Answers.isUpstream}. */
  isUpstream(origin: string): boolean {
    return this.#answers.isUpstream(origin)
  }

  /** See {@link Answers.latest}. Other views are read as they were when the revision was made. */
  async latest(question: LatestQuestion, audience: Audience): Promise<LatestAnswer | undefined> {
    const at = await this.#find(question.view)
    if (at === undefined) return undefined
    const { version, origin, name, target } = question
    const view = { id: at.view.id, rule: ruleAt(at.view, at.revision) }
    const release = await findLatest(
      this.#db,
      { view, revision: at.revision, origin, name, version, target },
      audience,
    )
    if (release === undefined) return undefined
    const exact = { shape: question.shape, ident: formatIdent(release.ident), target }
    const found = await this.#answers.exact(exact, audience)
    // The ident may have been deleted and published again with other bytes.
    return found?.checksum === release.checksum ? { package: found, revision: undefined } : undefined
  }

  /** See {@link Answers.hasLatest}. */
  async hasLatest(
    question: Pick<LatestQuestion, 'view' | 'origin' | 'name' | 'target'>,
    audience: Audience,
  ): Promise<boolean> {
    return (await this.latest({ ...question, shape: 'whole' }, audience)) !== undefined
  }

  /** See {@link Answers.listLatest}. */
  async listLatest(
    { view: name, origin, target }: { view: string; origin: string; target?: Target },
    audience: Audience,
  ): Promise<Map<Line, string>> {
    const latest = new Map<Line, string>()
    const at = await this.#find(name)
    if (at === undefined) return latest
    for (let after: readonly [string, Target] | undefined; ;) {
      const page = { origin, limit: LINES_PER_PAGE, ...(after && { after }) }
      const found = await listPointersAt(this.#db, at.view, at.revision, page, audience)
      for (const pointer of found)
        if (target === undefined || pointer.target === target) latest.set(lineKey(pointer), pointer.ident)
      const last = found.at(-1)
      if (last === undefined) return latest
      after = [last.package, last.target]
    }
  }

  /** See {@link Answers.exact}. */
  exact(
    question: ExactQuestion,
    audience: Audience,
  ): PackageAnswer | undefined | Promise<PackageAnswer | undefined> {
    return this.#answers.exact(question, audience)
  }

  /** Returns a view at the time of the revision; `undefined` for an unknown view. */
  async #find(name: string): Promise<ViewAt | undefined> {
    if (name === this.name) return this
    const view = await findView(this.#db, name)
    if (view === undefined) return undefined
    const time = (await findRevisionTime(this.#db, this.view.id, this.revision)) ?? this.view.createdAt
    return { view, revision: await getRevisionAt(this.#db, view, { time }) }
  }
}
