// Converts core values to the JSON of `/api/v1`: names instead of row ids, RFC 3339 times, null for absent
// values.

import type { Notice } from '../../../package/mark.ts'

export function wireTime(at: number): string
export function wireTime(at: number | undefined): string | null
export function wireTime(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString()
}

export function wireNotice(
  notice: Notice | undefined,
): { reason: string; by: string | null; since: string } | null {
  return notice === undefined
    ? null
    : { reason: notice.reason, by: notice.by ?? null, since: wireTime(notice.since) }
}

/** Converts the marks of a listed release. */
export function wireMarks({
  yanked,
  deprecated,
}: { yanked?: Notice | undefined; deprecated?: Notice | undefined } = {}) {
  return { yank: wireNotice(yanked), deprecation: wireNotice(deprecated) }
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
