import { DepotError } from '../../errors.ts'
import { formatPackageName, parseIdent } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import { findCandidates } from '../../retention/candidate-store.ts'
import { describeNeed } from '../../retention/describe.ts'
import { readKeepers } from '../../retention/keepers-store.ts'
import { listNeeds, refusesDeletion } from '../../retention/needs-store.ts'
import { findViewRelease } from '../../revisions/member-store.ts'
import { removeFromPreview } from '../views/preview.ts'
import { changeMembers } from '../views/promote.ts'
import { keepsMembers } from '../../views/view.ts'
import { listViewsWith } from '../../revisions/view-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { hasDependents, deleteDependencies } from '../../releases/dependents-store.ts'
import { isBlobReferenced, unreferenceBlob } from '../../blobs/blob-store.ts'
import { readMarks } from '../../releases/mark-store.ts'
import { markReleaseDeleted } from '../../releases/release-store.ts'

/**
 * Removes a release from all views, with a revision in each, and deletes it. Its row is kept for the history
 * of views, and its ident may be published again. Returns the checksum of its bytes, which another release
 * may still need.
 *
 * Throws `not_found`, and `refused` if a gate of a view keeps the release. Throws `in_use` while the release
 * is held, while a pinned revision, a registered lockfile or an open proposal names it, while another package
 * has a release for the target with any release of this package among its TDEPS, and while the release is in
 * `stable` (habitat-today.md 3.1 and 6, Packages), in a view with the rule `promoted`, or in a view whose
 * gates name promoters or ask for approval. Previews do not keep it.
 */
export async function deleteRelease(
  context: CommandContext,
  input: { ident: string; target: Target },
): Promise<{ checksum: string }> {
  const { trx, at } = context
  const { ident: text, target } = input
  const ident = parseIdent(text)
  const release = await findViewRelease(trx, ident, target)
  if (release === undefined) throw new DepotError('not_found', `there is no release ${text} for ${target}`)
  const { held } = await readMarks(trx, release.releaseId)
  if (held !== undefined) throw new DepotError('in_use', `${text} is held: ${held.reason}`)
  const { views = [], previews = [] } = Object.groupBy(await listViewsWith(trx, release), ({ preview }) =>
    preview === undefined ? 'views' : 'previews',
  )
  const holding = views.find(keepsMembers)
  if (holding !== undefined) {
    const builderText = `Deleting package in ${holding.name} channel not allowed '${text}'`
    throw new DepotError('in_use', `${text} is in ${holding.name}: demote it first`, { builderText })
  }
  await expectNotKept(context, { ident: text, target })
  if (await hasDependents(trx, ident, target)) {
    const builderText = `Deleting package with rdeps not allowed '${text}'`
    throw new DepotError('in_use', `other packages depend on ${formatPackageName(ident)}`, { builderText })
  }
  for (const view of views)
    await changeMembers(
      context,
      view,
      { joining: [], leaving: [release] },
      { act: 'demote', cause: 'release-deleted', by: 'operator' },
    )
  for (const preview of previews) await removeFromPreview(context, preview, release)
  const checksum = await markReleaseDeleted(trx, release.releaseId, at)
  await deleteDependencies(trx, release)
  if (!(await isBlobReferenced(trx, checksum))) await unreferenceBlob(trx, checksum, { at })
  await context.record(
    { kind: 'release-deleted', ident: text, target, checksum },
    { originId: release.originId },
  )
  return { checksum }
}

/** Throws `in_use` if a pinned revision, a registered lockfile or an open proposal needs a release. */
async function expectNotKept({ trx, clock }: CommandContext, name: ReleaseName): Promise<void> {
  const keepers = await readKeepers(trx, clock.now)
  const needs = await listNeeds(trx, keepers, await findCandidates(trx, [name]))
  const need = [...needs.values()].flat().find(refusesDeletion)
  if (need !== undefined) throw new DepotError('in_use', `${name.ident} ${describeNeed(need)}`)
}
