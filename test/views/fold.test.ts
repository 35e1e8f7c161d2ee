import tap, { test } from 'tap'
import { EVERYONE, THE_PUBLIC } from '../../src/accounts/access.ts'
import type { Audience } from '../../src/accounts/access.ts'
import { parseIdent } from '../../src/package/ident.ts'
import { compareReleases } from '../../src/package/version.ts'
import { listMembersAt, listPointersAt } from '../../src/views/content-store.ts'
import { listRevisions } from '../../src/views/history-store.ts'
import type { Revision } from '../../src/views/history-store.ts'
import { getView } from '../../src/views/view-store.ts'
import type { ViewRule } from '../../src/views/view.ts'
import { seeded } from '../support/random.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// A view's rows against a fold of its ledger, over a run that is random and always the same: every fifth release is private, sets are moved in bulk, and some releases are deleted.

const MOVES = 120
const ALL = { limit: 1_000 }

const started = await startDepot(tap)
const { db } = started.depot
const random = seeded(20_260_101)
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T

const releases = await makeReleases(
  started,
  ...['app', 'web', 'db'].flatMap((name) =>
    ['1.0.0', '1.0.0-rc1', '2.0.0', '10.0.0', '9.0.0'].flatMap((version) => [`acme/${name}/${version}/20260101000000`, `acme/${name}/${version}/20260101000000 for x86_64-windows`]),
  ),
)
const hidden = new Set(releases.map(({ ident }) => ident).filter((_, index) => index % 10 === 4))
for (const ident of hidden) await setVisibility(started, ident, 'private')

/** What the ledger says happened, applied one revision after another. */
interface Folded {
  readonly members: Map<string, ReleaseRow & { since: number }>
  readonly pointers: Map<string, { ident: string; since: number }>
}

function fold(before: Folded, revision: Revision): Folded {
  const members = new Map(before.members)
  for (const { ident, target } of revision.left) members.delete(`${ident} ${target}`)
  for (const { ident, target } of revision.joined) {
    members.delete(`${ident} ${target}`) // it joins anew, last
    members.set(`${ident} ${target}`, { ident, target, since: revision.revision })
  }
  const pointers = new Map(before.pointers)
  for (const { package: name, target, from, to } of revision.pointers) {
    if ((pointers.get(`${name} ${target}`)?.ident ?? null) !== from) throw new Error(`revision ${revision.revision} moves ${name} from ${from}, where it was not`)
    if (to === null) pointers.delete(`${name} ${target}`)
    else pointers.set(`${name} ${target}`, { ident: to, since: revision.revision })
  }
  return { members, pointers }
}

/** What the view's rule makes of its members. */
function latestBy(rule: ViewRule, members: readonly ReleaseRow[]): Map<string, string> {
  const first = new Map<string, string>()
  for (const { ident, target } of members) {
    const line = `${ident.split('/', 2).join('/')} ${target}`
    const best = first.get(line)
    if (best === undefined || rule === 'promoted' || compareReleases(parseIdent(ident), parseIdent(best)) > 0) first.set(line, ident)
  }
  return first
}

const ACTOR = { client: 'tests', door: 'cli' } as const
const moveAll = async (kind: 'promoteAll' | 'demoteAll', target: string) =>
  started.depot.writer.submit({ kind, input: { origin: 'acme', source: 'acceptance', target, ownerId: 1 }, actor: ACTOR })
const remove = async ({ ident, target }: ReleaseRow) => started.depot.writer.submit({ kind: 'deleteRelease', input: { ident, target }, actor: ACTOR })
await move(started, 'promote', 'acceptance', releases.filter((_, index) => index % 4 === 1))

const sorted = (map: ReadonlyMap<string, unknown>) => [...map].map((entry) => JSON.stringify(entry)).toSorted((a, b) => (a < b ? -1 : 1))

for (const rule of ['promoted', 'highest'] as const) {
  const name = `random-${rule}`
  await makeView(started, name, rule)
  const moves = Array.from({ length: MOVES }, (_, index) => {
    if (index % 10 === 3) return moveAll(random() < 0.5 ? 'promoteAll' : 'demoteAll', name)
    if (index % 40 === 17) return remove(pick(releases))
    const set = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(releases))
    return move(started, random() < 0.65 ? 'promote' : 'demote', name, set)
  })
  await Promise.allSettled(moves) // some demote what is not there
  const view = await getView(db, name)

  const revisionsFor = async (audience: Audience) => (await listRevisions(db, view, { before: Number.MAX_SAFE_INTEGER, limit: 1_000 }, audience)).toReversed()
  const pointersAt = async (revision: number, audience: Audience) =>
    new Map((await listPointersAt(db, view, revision, ALL, audience)).map((pointer) => [`${pointer.package} ${pointer.target}`, { ident: pointer.ident, since: pointer.sinceRevision }]))
  const membersAt = async (revision: number, audience: Audience) =>
    new Map((await listMembersAt(db, view, revision, ALL, audience)).map(({ ident, target, sinceRevision: since }) => [`${ident} ${target}`, { ident, target, since }]))

  test(`${rule}: at every revision, rows, ledger and rule agree on what latest answers and on who is a member`, async (t) => {
    let folded: Folded = { members: new Map(), pointers: new Map() }
    const revisions = await revisionsFor(EVERYONE)
    t.strictSame(revisions.map(({ revision }) => revision), Array.from({ length: view.revision }, (_, index) => index + 1))
    t.ok(view.revision > MOVES / 3, `${view.revision} revisions`)
    const causes = rule === 'highest' ? ['bulk', 'release-deleted'] : ['bulk'] // what is to run is not deleted
    for (const cause of causes) t.ok(revisions.some((revision) => revision.cause === cause), cause)
    for (const revision of revisions) {
      folded = fold(folded, revision)
      const pointers = await pointersAt(revision.revision, EVERYONE)
      const rows = { pointers: sorted(pointers), members: sorted(await membersAt(revision.revision, EVERYONE)) }
      t.strictSame(rows, { pointers: sorted(folded.pointers), members: sorted(folded.members) }, `revision ${revision.revision}`)
      const latest = new Map([...pointers].map(([line, { ident }]) => [line, ident]))
      t.strictSame(sorted(latest), sorted(latestBy(rule, [...folded.members.values()])), `the rule at revision ${revision.revision}`)
    }
  })

  test(`${rule}: what the public is told of past and present hangs together, and never names what is private`, async (t) => {
    const whole = await revisionsFor(EVERYONE)
    const told = await revisionsFor(THE_PUBLIC)
    t.strictSame(told.map(({ revision, at }) => ({ revision, at })), whole.map(({ revision, at }) => ({ revision, at })), 'numbers and times stay')
    let folded: Folded = { members: new Map(), pointers: new Map() }
    let all: Folded = { members: new Map(), pointers: new Map() }
    for (const [index, revision] of told.entries()) {
      folded = fold(folded, revision)
      all = fold(all, whole[index] as Revision)
      const rows = { pointers: sorted(await pointersAt(revision.revision, THE_PUBLIC)), members: sorted(await membersAt(revision.revision, THE_PUBLIC)) }
      t.strictSame(rows, { pointers: sorted(folded.pointers), members: sorted(folded.members) }, `revision ${revision.revision}`)
      const visible = [...all.members.values()].filter(({ ident }) => !hidden.has(ident))
      const latest = rule === 'highest' ? latestBy(rule, visible) : new Map([...latestBy(rule, [...all.members.values()])].filter(([, ident]) => !hidden.has(ident)))
      t.strictSame(sorted(new Map([...folded.pointers].map(([line, { ident }]) => [line, ident]))), sorted(latest), `latest at revision ${revision.revision}`)
    }
    const text = JSON.stringify(told)
    for (const ident of hidden) t.notOk(text.includes(ident), ident)
  })

  test(`${rule}: pages of a past state are the whole, each line once`, async (t) => {
    const middle = Math.floor(view.revision / 2)
    const whole = await listMembersAt(db, view, middle, ALL, THE_PUBLIC)
    const paged = []
    for (let after: (typeof whole)[number]['place'] | undefined; ; ) {
      const page = await listMembersAt(db, view, middle, { limit: 3, ...(after && { after }) }, THE_PUBLIC)
      paged.push(...page)
      after = page.at(-1)?.place
      if (after === undefined) break
    }
    t.strictSame(paged, whole)
    t.ok(whole.length > 3)
  })
}
