import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import type { Audience } from '../../src/access/access.ts'
import { ruleAt } from '../../src/views/rule.ts'
import { ACTS } from '../../src/views/view.ts'
import type { ViewRule } from '../../src/views/rule.ts'
import { listMembersAt, listPointersAt } from '../../src/revisions/content-store.ts'
import { emptyFold, foldPromotion, latestOf } from '../../src/audit/fold.ts'
import type { Fold } from '../../src/audit/fold.ts'
import { listRevisions } from '../../src/revisions/history-store.ts'
import type { Revision } from '../../src/revisions/history-store.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { isExhaustive, SEED } from '../support/random.ts'
import { makeManyReleases, moveAtRandom } from '../support/views/random-moves.ts'
import { startDepot } from '../support/start-depot.ts'
import type { LedgerEvent } from '../../src/ledger/entry.ts'
import { lineKey, releaseKey } from '../../src/package/ident.ts'

// Compares the rows of a view with a fold of its ledger, after a random run that is the same each time.

const MOVES = 120
const ALL = { limit: 1_000 }

const started = await startDepot(tap)
const { db } = started.depot
const { releases, hidden } = await makeManyReleases(started)

/**
 * Folds the ledger up to a revision, which has the rule `rule` and the yanked releases `yanked`. A promotion
 * that does not match the state is a fault.
 */
function apply(fold: Fold, revision: Revision, state: { rule: ViewRule; yanked: ReadonlySet<string> }): void {
  const { faults } = foldPromotion(
    fold,
    revision,
    (release) => state.rule === 'highest' && state.yanked.has(releaseKey(release)),
  )
  if (faults.length > 0) throw new Error(faults.join('; '))
}

const membersOf = (fold: Fold) =>
  new Map([...fold.members].map(([key, { ident, target, from }]) => [key, { ident, target, since: from }]))
const pointersOf = (fold: Fold) =>
  new Map([...fold.pointers].map(([line, { ident, from }]) => [line, { ident, since: from }]))

/** The releases that are yanked at each revision of a view. */
async function readYanks(viewId: number): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const yanked = new Set<string>()
  const found = new Map<number, ReadonlySet<string>>()
  const rows = await db
    .selectFrom('ledger')
    .select(['text', 'view_id', 'revision'])
    .orderBy('sequence')
    .execute()
  for (const row of rows) {
    const event = JSON.parse(row.text) as LedgerEvent
    if (event.kind === 'release-yanked') yanked.add(releaseKey(event))
    if (event.kind === 'release-unyanked' || event.kind === 'release-deleted')
      yanked.delete(releaseKey(event))
    if (row.view_id === viewId && row.revision !== null) found.set(row.revision, new Set(yanked))
  }
  return found
}

const sorted = (map: ReadonlyMap<string, unknown>) =>
  [...map].map((entry) => JSON.stringify(entry)).toSorted((a, b) => (a < b ? -1 : 1))

const RUNS = [
  { rule: 'promoted', setsRules: false },
  { rule: 'highest', setsRules: false },
  { rule: 'promoted', setsRules: true },
  { rule: 'highest', setsRules: true },
] as const

const nameOf = ({ rule, setsRules }: (typeof RUNS)[number]) => `random-${rule}-${setsRules}`

// All runs come first, because a yank in one makes revisions in the views of the others.
for (const run of RUNS)
  await moveAtRandom(started, nameOf(run), {
    rule: run.rule,
    setsRules: run.setsRules,
    releases,
    moves: run.setsRules ? 2 * MOVES : MOVES,
    seed: 20_260_103,
  })

for (const run of RUNS) {
  const { rule: first, setsRules } = run
  const rule = setsRules ? `${first} and others` : first
  const name = nameOf(run)
  const view = await getView(db, name)
  const yanks = await readYanks(view.id)
  const yankedAt = (revision: number) => yanks.get(revision) ?? new Set()

  /** Every revision is folded; unless the test is exhaustive, every fourth is compared, and the last. */
  const isCompared = (revision: number) => isExhaustive || revision % 4 === 1 || revision === view.revision
  const revisionsFor = async (audience: Audience) =>
    (await listRevisions(db, view, { before: Number.MAX_SAFE_INTEGER, limit: 1_000 }, audience)).toReversed()
  const pointersAt = async (revision: number, audience: Audience) =>
    new Map(
      (await listPointersAt(db, view, revision, ALL, audience)).map((pointer) => [
        lineKey(pointer),
        { ident: pointer.ident, since: pointer.sinceRevision },
      ]),
    )
  const membersAt = async (revision: number, audience: Audience) =>
    new Map(
      (await listMembersAt(db, view, revision, ALL, audience)).map(
        ({ ident, target, sinceRevision: since }) => [
          releaseKey({ ident, target }),
          { ident, target, since },
        ],
      ),
    )

  test(`${rule}: at every revision, rows, ledger and rule agree on latest and on the members`, async (t) => {
    const folded = emptyFold()
    const revisions = await revisionsFor(UNRESTRICTED_AUDIENCE)
    t.strictSame(
      revisions.map(({ revision }) => revision),
      Array.from({ length: view.revision }, (_, index) => index + 1),
    )
    t.ok(view.revision > MOVES / 3, `${view.revision} revisions`)
    const causes = first === 'highest' && !setsRules ? ['bulk', 'release-deleted'] : ['bulk'] // releases in `acceptance` are not deleted
    // Under another seed, chance decides which causes and acts occur.
    for (const cause of SEED === 0 ? causes : [])
      t.ok(
        revisions.some((revision) => revision.cause === cause),
        cause,
      )
    const acts = setsRules ? ACTS : ACTS.filter((act) => !['set-rule', 'yank', 'unyank'].includes(act))
    for (const act of SEED === 0 ? acts : [])
      t.ok(
        revisions.some((revision) => revision.act === act),
        act,
      )
    t.ok(
      revisions.some(({ joined, left }) => joined.length > 0 && left.length > 0),
      'a revision in which releases leave and join',
    )
    let holding: ViewRule = first
    for (const revision of revisions) {
      holding = revision.rule ?? holding
      apply(folded, revision, { rule: holding, yanked: yankedAt(revision.revision) })
      t.equal(ruleAt(view, revision.revision), holding)
      if (!isCompared(revision.revision)) continue
      const pointers = await pointersAt(revision.revision, UNRESTRICTED_AUDIENCE)
      const rows = {
        pointers: sorted(pointers),
        members: sorted(await membersAt(revision.revision, UNRESTRICTED_AUDIENCE)),
      }
      t.strictSame(
        rows,
        { pointers: sorted(pointersOf(folded)), members: sorted(membersOf(folded)) },
        `revision ${revision.revision}`,
      )
      const latest = new Map([...pointers].map(([line, { ident }]) => [line, ident]))
      t.strictSame(
        sorted(latest),
        sorted(latestOf(holding, [...folded.members.values()])),
        `the rule at revision ${revision.revision}`,
      )
    }
  })

  test(`${rule}: public answers about past and present agree, and never name private packages`, async (t) => {
    const whole = await revisionsFor(UNRESTRICTED_AUDIENCE)
    const told = await revisionsFor(PUBLIC_AUDIENCE)
    t.strictSame(
      told.map(({ revision, at }) => ({ revision, at })),
      whole.map(({ revision, at }) => ({ revision, at })),
      'numbers and times stay',
    )
    const folded = emptyFold()
    const all = emptyFold()
    let holding: ViewRule = first
    for (const [index, revision] of told.entries()) {
      holding = revision.rule ?? holding
      const state = { rule: holding, yanked: yankedAt(revision.revision) }
      apply(folded, revision, state)
      apply(all, whole[index] as Revision, state)
      if (!isCompared(revision.revision)) continue
      const rows = {
        pointers: sorted(await pointersAt(revision.revision, PUBLIC_AUDIENCE)),
        members: sorted(await membersAt(revision.revision, PUBLIC_AUDIENCE)),
      }
      t.strictSame(
        rows,
        { pointers: sorted(pointersOf(folded)), members: sorted(membersOf(folded)) },
        `revision ${revision.revision}`,
      )
      const visible = [...all.members.values()].filter(({ ident }) => !hidden.has(ident))
      const latest =
        holding === 'highest'
          ? latestOf(holding, visible)
          : new Map(
              [...latestOf(holding, [...all.members.values()])].filter(([, ident]) => !hidden.has(ident)),
            )
      t.strictSame(
        sorted(new Map([...folded.pointers].map(([line, { ident }]) => [line, ident]))),
        sorted(latest),
        `latest at revision ${revision.revision}`,
      )
    }
    const text = JSON.stringify(told)
    for (const ident of hidden) t.notOk(text.includes(ident), ident)
  })

  test(`${rule}: pages of a past state hold each line exactly once`, async (t) => {
    const middle = Math.floor(view.revision / 2)
    const whole = await listMembersAt(db, view, middle, ALL, PUBLIC_AUDIENCE)
    const paged = []
    for (let after: (typeof whole)[number]['place'] | undefined; ;) {
      const page = await listMembersAt(
        db,
        view,
        middle,
        { limit: 3, ...(after && { after }) },
        PUBLIC_AUDIENCE,
      )
      paged.push(...page)
      after = page.at(-1)?.place
      if (after === undefined) break
    }
    t.strictSame(paged, whole)
    t.ok(whole.length > 3)
  })
}
