import type { CommandContext } from '../../ledger/command-context.ts'
import { isBlobReferenced, unreferenceBlob } from '../../blobs/blob-store.ts'
import { formatIdent } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import { deleteDependencies } from '../../releases/dependents-store.ts'
import { markReleaseDeleted } from '../../releases/release-store.ts'
import { findCandidates, listNeeding } from '../../retention/candidate-store.ts'
import type { Candidate } from '../../retention/candidate-store.ts'
import { addRemovedToday } from '../../retention/daily-store.ts'
import { judge } from '../../retention/judge.ts'
import { readKeepers } from '../../retention/keepers-store.ts'
import { listViewsWith } from '../../revisions/view-store.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { changeMembers } from '../views/promote.ts'

export interface Retired extends ReleaseName {
  /** The bytes that come free after the quarantine. */
  readonly freedBytes: number
}

/**
 * Removes those of the releases that may go now, and keeps their bytes for `quarantineMs`. Decides anew in
 * the transaction, so whatever was promoted, pinned, held or uploaded meanwhile keeps what it needs. A
 * release on which another one still depends stays for now. Makes one revision in each view that contains one
 * of them. `isDaily` is set by the daily run, which leaves what unsettled rules are about, and counts what it
 * removes.
 */
export async function retireReleases(
  context: CommandContext,
  {
    releases,
    quarantineMs,
    isDaily,
  }: { releases: readonly ReleaseName[]; quarantineMs: number; isDaily: boolean },
): Promise<{ retired: Retired[] }> {
  const { trx, at, clock } = context
  const keepers = await readKeepers(trx, clock.now, { onlySettled: isDaily })
  const going: { release: Candidate; freedBytes: number }[] = []
  for (const verdict of await judge(trx, keepers, await findCandidates(trx, releases))) {
    if (verdict.reasons.length > 0) continue
    if ((await listNeeding(trx, verdict.release, 1)).length === 0) going.push(verdict)
  }
  for (const [view, leaving] of await viewsWith(
    context,
    going.map(({ release }) => release),
  ))
    await changeMembers(
      context,
      view,
      { joining: [], leaving },
      { act: 'demote', cause: 'retention', by: 'operator' },
    )
  const retired: Retired[] = []
  for (const { release, freedBytes } of going) {
    const checksum = await markReleaseDeleted(trx, release.releaseId, at)
    await deleteDependencies(trx, release)
    if (!(await isBlobReferenced(trx, checksum))) await unreferenceBlob(trx, checksum, { at, quarantineMs })
    const name = { ident: formatIdent(release.ident), target: release.target }
    await context.record(
      { kind: 'release-deleted', ...name, checksum, cause: 'retention' },
      { originId: release.originId },
    )
    retired.push({ ...name, freedBytes })
  }
  if (isDaily && retired.length > 0) await addRemovedToday(trx, clock, retired.length)
  return { retired }
}

/** Returns the views that contain releases, with those of each. */
async function viewsWith(
  { trx }: CommandContext,
  releases: readonly Candidate[],
): Promise<[View, ViewRelease[]][]> {
  const found = new Map<number, [View, ViewRelease[]]>()
  for (const release of releases)
    for (const view of await listViewsWith(trx, release)) {
      const [, leaving] = found.get(view.id) ?? [view, []]
      found.set(view.id, [view, [...leaving, release]])
    }
  return [...found.values()]
}
