import type { z } from 'zod'
import type { Session } from '../../../access/access.ts'
import type { LedgerHead } from '../../../ledger/chain.ts'
import { formatPosition } from '../../../ledger/position.ts'
import type { Origin } from '../../../origins/origin-store.ts'
import { formatIdent } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import type { Release } from '../../../releases/release.ts'
import type { Revision } from '../../../revisions/history-store.ts'
import { isRestricted, lasts } from '../../../views/freeze.ts'
import type { Freeze } from '../../../views/freeze.ts'
import type { View } from '../../../views/view.ts'
import type * as shapes from './shapes.ts'

// Converts core values to the JSON of `/api/v1`: names instead of row ids, RFC 3339 times, null for absent
// values.

export function wireTime(at: number): string
export function wireTime(at: number | undefined): string | null
export function wireTime(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString()
}

export function wireView(view: View): z.infer<typeof shapes.View> {
  return {
    name: view.name,
    rule: view.rule,
    maker: view.maker,
    revision: view.revision,
    created_at: wireTime(view.createdAt),
    ungoverned: [...view.ungoverned],
  }
}

export function wireViewDetail(
  view: View,
  more: { made: LedgerHead; packages: number; previewOf: string | undefined; now: number },
): z.infer<typeof shapes.ViewDetail> {
  const { made } = more
  return {
    ...wireView(view),
    revision_id: formatPosition(view.revision, made),
    revised_at: wireTime(view.revision === 0 ? undefined : made.at),
    closed_at: wireTime(view.closedAt),
    packages: more.packages,
    frozen: wireFrozen(view.freezes, more.now),
    preview_of: more.previewOf ?? null,
  }
}

/** Returns the freeze that blocks all changes of the view. */
export function wireFrozen(
  freezes: readonly Freeze[],
  now: number,
): z.infer<typeof shapes.ViewDetail>['frozen'] {
  const freeze = freezes.find((one) => !isRestricted(one) && lasts(one, now))
  return freeze === undefined
    ? null
    : { reason: freeze.reason, until: wireTime(freeze.until), by: freeze.by, since: wireTime(freeze.since) }
}

export function wireFreeze(freeze: Freeze, view: string | null): z.infer<typeof shapes.FreezeShape> {
  const { origin = null, name = null, reason, until, by, since } = freeze
  return { view, origin, name, reason, until: wireTime(until), by, since: wireTime(since) }
}

/** Converts a pointer or membership that began at a revision, without its row ids. */
export function wireSince<Fields extends object>({
  sinceRevision,
  since,
  releaseId: _releaseId,
  checksum: _checksum,
  ...fields
}: Fields & { sinceRevision: number; since: number; releaseId?: number; checksum?: string }) {
  return { ...fields, since_revision: sinceRevision, since: wireTime(since) }
}

/** Converts an interval between revisions, which may still be open. */
export function wireSpan({
  from,
  since,
  to,
  until,
}: {
  from: number
  since: number
  to: number | undefined
  until: number | undefined
}) {
  return { from_revision: from, since: wireTime(since), to_revision: to ?? null, until: wireTime(until) }
}

export function wireRevision(revision: Revision): z.infer<typeof shapes.RevisionShape> {
  const {
    at,
    act,
    account,
    client,
    cause,
    reason,
    of,
    only,
    rule,
    source,
    proposer,
    override,
    joined,
    left,
    pointers,
  } = revision
  return {
    revision: revision.revision,
    at: wireTime(at),
    act,
    actor: account ?? null,
    client,
    cause: cause ?? null,
    reason: reason ?? null,
    of: of ?? null,
    only: only === undefined ? null : { origin: only.origin ?? null, name: only.name ?? null },
    rule: rule ?? null,
    source: source ?? null,
    proposer: proposer ?? null,
    override: override === undefined ? null : { reason: override.reason, refusals: [...override.refusals] },
    joined: [...joined],
    left: [...left],
    pointers: [...pointers],
  }
}

export function wireRelease(
  release: Release,
  more: {
    targets: readonly Target[]
    publisher: string
    views: readonly { name: string; revision: number; promotedAt: number }[]
  },
): z.infer<typeof shapes.Release> {
  return {
    ident: formatIdent(release.ident),
    target: release.target,
    targets: [...more.targets],
    visibility: release.visibility,
    checksum: release.checksum,
    size_bytes: release.sizeBytes,
    signer: release.signer,
    signature: release.isVerified ? 'verified' : 'unknown_signer',
    published_at: wireTime(release.createdAt),
    publisher: more.publisher,
    package_type: release.packageType,
    svc_user: release.svcUser ?? null,
    svc_group: release.svcGroup ?? null,
    exposes: [...release.exposes],
    deps: [...release.deps],
    tdeps: [...release.tdeps],
    build_deps: [...release.buildDeps],
    build_tdeps: [...release.buildTdeps],
    config: release.config,
    manifest: release.manifest,
    views: more.views.map(({ name, revision, promotedAt }) =>
      wireSince({ view: name, sinceRevision: revision, since: promotedAt }),
    ),
  }
}

export function wireOrigin(origin: Origin): z.infer<typeof shapes.Origin> {
  return {
    name: origin.name,
    owner: origin.owner,
    default_visibility: origin.defaultVisibility,
    created_at: wireTime(origin.createdAt),
  }
}

export function wireSession(session: Session): z.infer<typeof shapes.WhoAmI> {
  const { actions, origins, views } = session.scope
  return {
    account: session.accountName,
    administrator: session.isAdministrator,
    token: {
      expires_at: wireTime(session.expiresAt),
      actions: actions === undefined ? null : [...actions],
      origins: origins === undefined ? null : [...origins],
      views: views === undefined ? null : [...views],
    },
    roles: Object.fromEntries([...session.roles].filter(([origin]) => origins?.includes(origin) ?? true)),
  }
}
