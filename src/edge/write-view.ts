import { lineOf, packageOf, parseIdent } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { each } from '../remote/each.ts'
import { UNSTABLE } from '../views/view.ts'
import type { AnswerFiles, Moves } from './answer-files.ts'
import { PARALLEL_READS, isAbsent } from './depot-answers.ts'
import type { DepotAnswers } from './depot-answers.ts'
import { FORMS, latestFile, latestNamesOf, releaseIn } from './layout.ts'
import type { Form, LatestName } from './layout.ts'
import type { ViewChanges } from './changes.ts'

/** The pointers of a view and its releases at one revision, as the public sees them. */
export interface ViewContent {
  readonly revision: number
  readonly pointers: readonly ReleaseName[]
  readonly members: readonly Member[]
}

interface Member extends ReleaseName {
  readonly isYanked: boolean
}

/** Where a view is read from, and written to. */
export interface Ends {
  readonly files: AnswerFiles
  readonly answers: DepotAnswers
}

const PAGE = 1_000

/** Reads a view. Throws `not_found` if there is none of this name. */
export async function readView({ depot, options }: DepotAnswers, view: string): Promise<ViewContent> {
  const { revision } = await depot.getView({ view }, options)
  const at = { view, at: String(revision), limit: PAGE }
  const pointers: ReleaseName[] = []
  const members: Member[] = []
  for await (const { ident, target } of depot.each('listContent', at, options))
    pointers.push({ ident, target })
  for await (const { ident, target, yank } of depot.each('listMembers', at, options))
    members.push({ ident, target, isYanked: yank !== null })
  return { revision, pointers, members }
}

/**
 * Gathers the moves that bring the files of a view to what was read of it. The depot is asked only for
 * versions that have several releases or a yanked one, and for those of lines whose `latest` is hidden.
 */
export async function movesTo(
  view: string,
  { pointers, members }: ViewContent,
  { files, answers }: Ends,
): Promise<Moves> {
  const moves = new ViewMoves(view)
  for (const file of files.filesOf(view)) moves.remove(file)
  for (const pointer of pointers) moves.set(latestNamesOf(pointer)[0], pointer)
  const lines = new Set(pointers.map(lineOf))
  const ofVersions = Map.groupBy(members, (member) => `${lineOf(member)} ${parseIdent(member.ident).version}`)
  const unclear: LatestName[] = []
  for (const [member, ...others] of ofVersions.values()) {
    if (member === undefined) continue
    const [, ofVersion] = latestNamesOf(member)
    const isClear = others.length === 0 && !member.isYanked && lines.has(lineOf(member))
    if (isClear) moves.set(ofVersion, member)
    else unclear.push(ofVersion)
  }
  await each(unclear, PARALLEL_READS, async (name) => moves.ask(name, answers))
  return moves.all
}

/** The releases because of which `latest` may have changed in every view, and the revisions of one view. */
export interface MoveContext {
  readonly everywhere: readonly ReleaseName[]
  /** The revision that the files have. */
  readonly before: number
  /** The revision that they will have. */
  readonly after: number
}

/**
 * Gathers the moves of a view's pointers that entries of the ledger made. Pointers come from the entries, so
 * that the files have exactly one revision; the latest of a version comes from the depot. For releases that
 * have become public or private, or were yanked, the depot is asked for both.
 */
export async function movesBy(
  { view, changes }: { view: string; changes: ViewChanges | undefined },
  { everywhere, before, after }: MoveContext,
  answers: DepotAnswers,
): Promise<Moves> {
  const moves = new ViewMoves(view)
  for (const { revision, package: packageName, target, to } of changes?.moves.values() ?? []) {
    if (revision <= before) continue // a view that was read as a whole has later revisions already
    const [origin = '', name = ''] = packageName.split('/')
    moves.set({ origin, name, target }, to === undefined ? undefined : { ident: to, target })
  }
  const packages = new Set([...(changes?.packages ?? []), ...everywhere.map(({ ident }) => packageOf(ident))])
  const touched = [...(changes?.touched.values() ?? []), ...everywhere]
  await each(packages, PARALLEL_READS, async (packageName) => {
    touched.push(...(await membersOf(view, packageName, answers)))
  })
  await each(touched, PARALLEL_READS, async (release) => moves.ask(latestNamesOf(release)[1], answers))
  await each(everywhere, PARALLEL_READS, async (release) =>
    moves.ask(latestNamesOf(release)[0], answers, after),
  )
  return moves.all
}

/** Lists the releases of a package in a view; none if the view was closed meanwhile. */
async function membersOf(
  view: string,
  packageName: string,
  { depot, options }: DepotAnswers,
): Promise<ReleaseName[]> {
  const [origin = '', name = ''] = packageName.split('/')
  const members: ReleaseName[] = []
  try {
    for await (const member of depot.each('listMembers', { view, origin, name, limit: PAGE }, options))
      members.push(member)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
  return members
}

class ViewMoves {
  readonly all = new Map<string, { release: ReleaseName; form: Form } | undefined>()
  readonly #view: string
  readonly #forms: readonly Form[]

  constructor(view: string) {
    this.#view = view
    // Without a view, `latest` is that of `unstable`, in brief.
    this.#forms = view === UNSTABLE ? FORMS : ['whole']
  }

  set(name: LatestName, release: ReleaseName | undefined): void {
    for (const form of this.#forms) {
      const file = latestFile(name, form)
      if (file !== undefined) this.all.set(file, release && { release, form })
    }
  }

  remove(file: string): void {
    this.all.set(file, undefined)
  }

  /**
   * Asks the depot. An answer of a later revision than the files have is left out: the request then goes to
   * the depot, until the entry of that revision is read.
   */
  async ask(name: LatestName, answers: DepotAnswers, revision = Number.POSITIVE_INFINITY): Promise<void> {
    const found = await answers.latest(this.#view, name)
    const isLater = (found?.revision ?? 0) > revision
    this.set(name, found === undefined || isLater ? undefined : releaseIn(found.body))
  }
}
