import type { Event } from '../client/client.ts'
import { originOf, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { each } from '../remote/each.ts'
import type { AnswerFiles, Moves } from './answer-files.ts'
import { changesOf } from './changes.ts'
import type { Changes } from './changes.ts'
import { PARALLEL_READS, isAbsent } from './depot-answers.ts'
import type { DepotAnswers } from './depot-answers.ts'
import { FORMS, bodyKey, isFileName } from './layout.ts'
import { movesBy, movesTo, readView } from './write-view.ts'
import type { ViewContent } from './write-view.ts'

/** How far a set of answers has followed: see `EdgeState`. */
export interface Reached {
  readonly position: string
  readonly revisions: Readonly<Record<string, number>>
  /** Whether an entry was hidden, and releases that it may have hidden have not been looked for yet. */
  readonly hasHidden: boolean
}

/** Looking for hidden releases reads every view, so it takes at most this fraction of the time. */
const MAX_LOOKING = 0.1

/** Thrown when a set of answers must be written anew, because the depot was restored from an older copy. */
export class DepotRestored extends Error {}

/**
 * Writes the public answers of a depot into files, and brings them up to date. Throws errors of the disk and
 * of the client; after one, the same call can be made again.
 */
export class Materializer {
  readonly #answers: DepotAnswers
  readonly #now: () => number
  /** When hidden releases may be looked for again. */
  #nextLook = Number.NEGATIVE_INFINITY
  /** Hidden releases that were removed. The latest of their packages is asked for, also after a failure. */
  #vanished: ReleaseName[] = []

  constructor(answers: DepotAnswers, now: () => number) {
    this.#answers = answers
    this.#now = now
  }

  /** How many milliseconds must pass before hidden releases are looked for again. */
  get restMs(): number {
    return Math.max(0, this.#nextLook - this.#now())
  }

  /** Writes every answer into an empty set. */
  async writeAll(files: AnswerFiles): Promise<Reached> {
    const { depot, options } = this.#answers
    const { position } = await depot.getLedgerHead(options)
    const revisions: Record<string, number> = {}
    const releases = new Map<string, ReleaseName>()
    for (const view of await this.#writeViewNames(files)) {
      const content = await this.#readView(view)
      if (content === undefined) continue // closed meanwhile: an entry will tell
      for (const release of [...content.members, ...content.pointers])
        releases.set(releaseKey(release), release)
      files.addView(view)
      files.move(view, await movesTo(view, content, { files, answers: this.#answers }))
      revisions[view] = content.revision
    }
    await this.#writeBodies(files, releases.values())
    const origins: string[] = []
    for await (const { name } of depot.each('listOrigins', { limit: 1_000 }, options)) origins.push(name)
    await each(origins, PARALLEL_READS, async (origin) => {
      await this.#writeChannels(files, origin)
      await this.#writeKeys(files, origin)
    })
    return { position, revisions, hasHidden: false }
  }

  /**
   * Brings the files up to date with entries of the ledger. What is not public any more goes first, and the
   * bodies of releases change before pointers move to them. Throws {@link DepotRestored}.
   */
  async follow(
    files: AnswerFiles,
    { events, position }: { readonly events: readonly Event[]; readonly position: string },
    before: Reached,
  ): Promise<Reached> {
    const changes = changesOf(events)
    if (changes.isRestored) throw new DepotRestored()
    for (const view of changes.closed) files.removeView(view)
    const hasHidden = changes.hasHidden || before.hasHidden
    const looks = hasHidden && this.restMs === 0
    if (looks) await this.#removeVanished(files)
    for (const release of this.#vanished) {
      changes.everywhere.set(releaseKey(release), release)
      changes.origins.add(originOf(release.ident))
    }
    const revisions = { ...before.revisions }
    for (const view of changes.closed) delete revisions[view]
    // Both are awaited even if one fails, so that no late answer overwrites that of the next attempt.
    const [moves, bodies] = await Promise.allSettled([
      this.#gatherMoves(files, changes, revisions),
      this.#writeBodies(files, changes.bodies.values()),
    ])
    if (bodies.status === 'rejected') throw bodies.reason
    if (moves.status === 'rejected') throw moves.reason
    for (const { view, moves: ofView, revision } of moves.value) {
      files.addView(view)
      files.move(view, ofView)
      revisions[view] = revision
    }
    if (changes.hasOtherViews || looks) await this.#writeViewNames(files)
    await each(changes.origins, PARALLEL_READS, async (origin) => this.#writeChannels(files, origin))
    await each(changes.keys, PARALLEL_READS, async (origin) => this.#writeKeys(files, origin))
    this.#vanished = []
    return { position, revisions, hasHidden: hasHidden && !looks }
  }

  /** Finds how the pointers of views move, and to which revision. Removes views that are closed by now. */
  async #gatherMoves(
    files: AnswerFiles,
    { views, everywhere }: Changes,
    revisions: Readonly<Record<string, number>>,
  ): Promise<{ view: string; moves: Moves; revision: number }[]> {
    const names = new Set([...views.keys(), ...(everywhere.size > 0 ? files.views() : [])])
    const gathered = []
    for (const view of names) {
      if (!isFileName(view)) continue
      const changes = views.get(view)
      if (changes?.isWhole === true || !files.hasView(view)) {
        const content = await this.#readView(view)
        if (content === undefined) files.removeView(view)
        else {
          const moves = await movesTo(view, content, { files, answers: this.#answers })
          gathered.push({ view, moves, revision: content.revision })
        }
        continue
      }
      const before = revisions[view] ?? 0
      const after = Math.max(before, changes?.revision ?? 0)
      const context = { everywhere: [...everywhere.values()], before, after }
      gathered.push({
        view,
        moves: await movesBy({ view, changes }, context, this.#answers),
        revision: after,
      })
    }
    return gathered
  }

  async #readView(view: string): Promise<ViewContent | undefined> {
    try {
      return await readView(this.#answers, view)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /**
   * Removes releases that are not public any more. The entry that hid them is hidden, too, so the members of
   * all views are read. The caller asks later what the pointers of their packages answer now.
   */
  async #removeVanished(files: AnswerFiles): Promise<void> {
    const { depot, options } = this.#answers
    const begun = this.#now()
    const visible = new Set<string>()
    for await (const { name: view } of depot.each('listViews', { limit: 1_000 }, options))
      try {
        for await (const member of depot.each('listMembers', { view, limit: 1_000 }, options))
          visible.add(bodyKey(member))
      } catch (error) {
        if (!isAbsent(error)) throw error // otherwise the view was closed meanwhile
      }
    this.#nextLook = this.#now() + (this.#now() - begun) * (1 / MAX_LOOKING - 1)
    for (const release of files.releasesExcept(visible)) {
      files.removeRelease(release)
      this.#vanished.push(release)
    }
  }

  async #writeBodies(files: AnswerFiles, releases: Iterable<ReleaseName>): Promise<void> {
    await each(releases, PARALLEL_READS, async (release) => {
      const [whole, brief] = await Promise.all(FORMS.map(async (form) => this.#answers.show(release, form)))
      if (whole === undefined || brief === undefined) return files.removeRelease(release)
      files.writeBody(release, 'brief', brief)
      files.writeBody(release, 'whole', whole)
    })
  }

  async #writeViewNames(files: AnswerFiles): Promise<string[]> {
    const names = await this.#answers.file('/v1/depot/views')
    if (names === undefined) return []
    files.write('view-names', names)
    return (JSON.parse(names.toString('utf8')) as string[]).filter(isFileName)
  }

  async #writeChannels(files: AnswerFiles, origin: string): Promise<void> {
    if (!isFileName(origin)) return
    const channels = await this.#answers.file(`/v1/depot/channels/${origin}`)
    if (channels === undefined) files.remove(`channels/${origin}`)
    else files.write(`channels/${origin}`, channels)
  }

  async #writeKeys(files: AnswerFiles, origin: string): Promise<void> {
    if (!isFileName(origin)) return
    const place = `/v1/depot/origins/${origin}/keys`
    const list = await this.#answers.file(place)
    const keys = list === undefined ? [] : (JSON.parse(list.toString('utf8')) as { revision: string }[])
    if (list === undefined || keys.length === 0) return files.remove(`keys/${origin}`)
    for (const { revision } of keys) {
      const key = isFileName(revision) ? await this.#answers.file(`${place}/${revision}`) : undefined
      if (key !== undefined) files.write(`keys/${origin}/${revision}`, key)
    }
    files.write(`keys/${origin}/list`, list)
  }
}
