import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { describeRelease, lineOf, releaseKey, releaseName } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Joining, ViewDelta } from '../views/plan.ts'
import { skips } from '../views/rule.ts'
import type { ViewRule } from '../views/rule.ts'
import type { View, ViewRelease } from '../views/view.ts'
import { findReleases, listHidden } from './dependency-store.ts'
import { listMembersOnLines } from './member-store.ts'
import {
  listLeadersUnder,
  listMembersWithoutPointer,
  listPointersOf,
  listSkippedUnder,
} from './pointer-store.ts'

/** A change that gives a view its desired contents, and the faults of the desired contents. */
export interface ContentsChange {
  readonly delta: ViewDelta
  /** With faults, `delta` is not complete. */
  readonly faults: readonly ContentsFault[]
}

/** A fault of the desired contents, with a pointer relative to the desired view. */
export interface ContentsFault {
  readonly code: 'invalid_request' | 'not_found' | 'too_large'
  readonly detail: string
  readonly pointer: string
}

/**
 * Computes the change after which `latest` answers exactly the listed releases. The change also sets the
 * rule, if `rule` differs from that of the view. Members on lines that are not listed leave. Under `highest`,
 * members above a listed release leave, too. Other members stay. A line whose `latest` is hidden from the
 * audience does not change, and a hidden member on a line without `latest` stays. A repeated release counts
 * once.
 */
export async function changeToContents(
  db: Db,
  view: Pick<View, 'id' | 'rule' | 'revision'>,
  { contents, rule }: { contents: readonly ReleaseName[]; rule: ViewRule },
  audience: Audience,
): Promise<ContentsChange> {
  const { wanted, faults } = await findWanted(db, contents, audience)
  const all = await listPointersOf(db, view.id)
  const withoutPointer = await listMembersWithoutPointer(db, view.id)
  const hidden = await listHidden(db, [...all, ...withoutPointer].map(releaseName), audience)
  const pointers = new Map(all.map((pointer) => [lineOf(pointer), pointer]))
  const isNewRule = rule !== view.rule
  const moving = new Set(isNewRule ? (await listLeadersUnder(db, view.id, rule)).map(lineOf) : [])
  const staysLatest = (release: ViewRelease) =>
    pointers.get(lineOf(release))?.releaseId === release.releaseId &&
    !moving.has(lineOf(release)) &&
    !skips(rule, release)
  const becomingLatest = [...wanted.values()].filter((release) => !staysLatest(release))
  const isUnlisted = (release: ViewRelease) =>
    !wanted.has(lineOf(release)) && !hidden.has(releaseKey(release))
  const leaving = [
    ...(await listMembersOnLines(db, view, all.filter(isUnlisted))),
    ...withoutPointer.filter(isUnlisted),
  ]
  if (rule === 'highest') {
    const onLines = becomingLatest.flatMap((release) => pointers.get(lineOf(release)) ?? [])
    for (const member of await listMembersOnLines(db, view, onLines))
      if (member.yanked === undefined && member.orderKey > (wanted.get(lineOf(member))?.orderKey ?? ''))
        leaving.push(member)
  }
  const gone = new Set([...leaving, ...becomingLatest].map(({ releaseId }) => releaseId))
  const skipped = isNewRule ? await listSkippedUnder(db, view.id, rule) : []
  const joining = [...skipped.filter(({ releaseId }) => !gone.has(releaseId)), ...becomingLatest].map(
    (release): Joining => ({ release, rejoins: true }),
  )
  return { delta: { joining, leaving, ...(isNewRule && { rule }) }, faults }
}

/**
 * Finds the listed releases, by line. Absent and hidden releases are faults, and so is a second one on a
 * line.
 */
async function findWanted(
  db: Db,
  contents: readonly ReleaseName[],
  audience: Audience,
): Promise<{ wanted: Map<string, ViewRelease>; faults: ContentsFault[] }> {
  const found = await findReleases(db, contents, audience)
  const wanted = new Map<string, ViewRelease>()
  const faults: ContentsFault[] = []
  for (const [index, name] of contents.entries()) {
    const pointer = `/contents/${index}`
    const release = found.get(releaseKey(name))
    const other = wanted.get(lineOf(name))
    if (release === undefined)
      faults.push({
        code: 'not_found',
        detail: `there is no release ${name.ident} for ${name.target}`,
        pointer,
      })
    else if (other !== undefined && other.releaseId !== release.releaseId)
      faults.push({
        code: 'invalid_request',
        detail: `${describeRelease(other)} is listed, too, and only one release of a package can be latest`,
        pointer,
      })
    else wanted.set(lineOf(release), release)
  }
  return { wanted, faults }
}
