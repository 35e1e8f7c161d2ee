import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import { MAX_CHANGES_OF_RELEASE, MAX_RELEASES } from '../../changes/change-record.ts'
import { countChangesOf, insertChangeRelease } from '../../changes/change-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { describeRelease, formatIdent, lineOf, originOf, parseIdent } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import { findRelease } from '../../releases/release-store.ts'
import { getReportableChange } from './report-phase.ts'

export interface AddedRelease {
  /** The id of the change for clients. */
  readonly change: string
  readonly ident: string
  /** Needed only if the ident is published for several targets and `x86_64-linux` is not meant. */
  readonly target?: Target
  /** Whether the release may replace the change's release of the same package and target. */
  readonly isRebuild: boolean
}

/**
 * Adds a published release to a change. Does nothing if the change has it already. Throws `not_found` for an
 * absent change or release, `forbidden`, `invalid_request` for a release of another origin, and `conflict` if
 * the change has another release of the package for the target, or if a limit is reached.
 */
export async function addChangeRelease(
  context: CommandContext,
  input: AddedRelease,
): Promise<{ isNew: boolean }> {
  const { trx, at } = context
  const change = await getReportableChange(context, input.change)
  const { project, releases } = change
  if (parseIdent(input.ident).origin !== originOf(project)) {
    const detail = `${input.ident} is not of the origin ${originOf(project)}, to which the project ${project} belongs`
    throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/release' }] })
  }
  const release = await findRelease(trx, input.ident, input.target, UNRESTRICTED_AUDIENCE)
  if (release === undefined) {
    const place = input.target === undefined ? '' : ` for ${input.target}`
    throw new DepotError('not_found', `there is no release ${input.ident}${place}`)
  }
  const { target, checksum, signer } = release
  const ident = formatIdent(release.ident)
  if (releases.some(({ releaseId }) => releaseId === release.id)) return { isNew: false }

  const line = lineOf(release)
  const before = releases.find((one) => one.replacedBy === undefined && lineOf(one) === line)
  // A release with the same bytes was deleted and published again. This is not a rebuild.
  if (before !== undefined && before.checksum !== checksum && !input.isRebuild)
    throw new DepotError(
      'conflict',
      `${change.change} of ${project} has ${describeRelease(before)} already: only a rebuild may replace it`,
      { more: { recorded: { release: before.ident, target: before.target, checksum: before.checksum } } },
    )
  if (releases.length >= MAX_RELEASES)
    throw new DepotError(
      'conflict',
      `${change.change} of ${project} has ${MAX_RELEASES} releases, which is the limit`,
    )
  if ((await countChangesOf(trx, release.id)) >= MAX_CHANGES_OF_RELEASE)
    throw new DepotError(
      'conflict',
      `${ident} belongs to ${MAX_CHANGES_OF_RELEASE} changes, which is the limit`,
    )
  await insertChangeRelease(trx, {
    changeId: change.id,
    position: releases.length + 1,
    releaseId: release.id,
    replaces: before?.position,
    at,
  })
  await context.record(
    {
      kind: 'change-release-added',
      record: change.publicId,
      project,
      change: change.change,
      ident,
      target,
      checksum,
      signer,
      replaces: before?.ident ?? null,
    },
    { originId: change.originId },
  )
  return { isNew: true }
}
