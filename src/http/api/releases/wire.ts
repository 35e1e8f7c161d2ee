import type { z } from 'zod'
import { formatIdent } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import type { Release } from '../../../releases/release.ts'
import { wireMarks, wireNotice, wireSince, wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

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
    source: release.source ?? null,
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
    ...wireMarks(release),
    hold: wireNotice(release.held),
    announced: release.isAnnounced,
  }
}
