import type { HabitatEvent } from '../../../events/event-store.ts'
import type { Origin } from '../../../origins/origin-store.ts'
import { parseIdent } from '../../../package/ident.ts'
import type { Ident } from '../../../package/ident.ts'
import type { ListedIdent, ListedPackage, ListedVersion, Page } from '../../../releases/list-store.ts'
import type { Release } from '../../../releases/release.ts'

// Habitat's JSON for packages, channels, origins and keys (habitat-today.md 1.3 and 3, habitat-2016.md 1.6).
// Ids are strings; times are naive UTC with microseconds. The package object has every field of both
// generations, so that one body serves both.

/** `2026-01-01T00:00:00.123000`. */
export function wireTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, -1)}000`
}

export function wireIdent(ident: Ident): { origin: string; name: string; version: string; release: string } {
  return { origin: ident.origin, name: ident.name, version: ident.version, release: ident.release }
}

/**
 * Renders a package for `latest` and exact shows in a view. `views` are the names of the views that contain
 * it.
 */
export function renderPackage(release: Release, views: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(wirePackage(release, views)))
}

/** Renders a package outside of views: without the long texts, but with its size (habitat-today.md 1.3). */
export function renderPackageBriefly(release: Release, views: readonly string[]): Buffer {
  return Buffer.from(
    JSON.stringify({ ...wirePackage(release, views), manifest: '', config: '', size: release.sizeBytes }),
  )
}

function wirePackage(release: Release, views: readonly string[]) {
  const { ident } = release
  return {
    id: String(release.id),
    owner_id: String(release.publisherId),
    name: ident.name,
    ident: wireIdent(ident),
    ident_array: [ident.origin, ident.name, ident.version, ident.release],
    origin: ident.origin,
    checksum: release.checksum,
    // Builder trims all metadata files.
    manifest: release.manifest.trim(),
    config: release.config.trim(),
    target: release.target,
    deps: wireIdents(release.deps),
    tdeps: wireIdents(release.tdeps),
    build_deps: wireIdents(release.buildDeps),
    build_tdeps: wireIdents(release.buildTdeps),
    exposes: release.exposes,
    visibility: release.visibility,
    package_type: release.packageType === 'native' ? 'Native' : 'Standard',
    is_a_service: /pkg_(exposes|binds|exports)/.test(release.manifest),
    channels: views,
    created_at: wireTime(release.createdAt),
    updated_at: wireTime(release.updatedAt),
  }
}

function wireIdents(idents: readonly string[]): ReturnType<typeof wireIdent>[] {
  return idents.map((text) => wireIdent(parseIdent(text)))
}

export function wireListed({ ident, targets, views }: ListedIdent) {
  return { ...wireIdent(ident), channels: views, platforms: targets }
}

/** A list item for a package instead of its releases. */
export function wireName({ origin, name }: { origin: string; name: string }) {
  return { origin, name, version: null, release: null }
}

export function wireListedPackage(listed: ListedPackage) {
  return { ...wireName(listed.package), channels: listed.views, platforms: listed.targets }
}

export function wireVersion({ origin, name }: { origin: string; name: string }, listed: ListedVersion) {
  const { version, releases, latest, targets, visibility } = listed
  return { origin, name, version, release_count: String(releases), latest, platforms: targets, visibility }
}

/** An event of a release in a channel (habitat-today.md 3.4). */
export function wireEvent({ act, at, view, ident }: HabitatEvent) {
  return {
    operation: act === 'promote' ? 'Promote' : 'Demote',
    created_at: wireTime(at),
    origin: ident.origin,
    channel: view,
    package_ident: wireIdent(ident),
  }
}

/** A page of a current list. The status is 206 while there are more (habitat-today.md 3.5). */
export function wirePage<Item>(
  page: Page<Item>,
  offset: number,
  write: (item: Item) => unknown,
): { status: 200 | 206; body: object } {
  const { items, total } = page
  const end = items.length === 0 ? total : offset + items.length - 1
  return {
    status: total > end + 1 ? 206 : 200,
    body: { range_start: offset, range_end: end, total_count: total, data: items.map(write) },
  }
}

export function wireOrigin(origin: Origin, privateKeyName: string | null) {
  return {
    name: origin.name,
    owner_id: String(origin.ownerId),
    owner_account: origin.owner,
    private_key_name: privateKeyName,
    default_package_visibility: origin.defaultVisibility,
  }
}

export function wireNewOrigin(origin: Origin) {
  return {
    name: origin.name,
    owner_id: String(origin.ownerId),
    default_package_visibility: origin.defaultVisibility,
    created_at: wireTime(origin.createdAt),
    updated_at: wireTime(origin.updatedAt),
  }
}

export function wireKeyLocation(origin: string, revision: string) {
  return { origin, revision, location: `/origins/${origin}/keys/${revision}` }
}

export function wireChannel(
  channel: { id: number; ownerId: number; createdAt: number; updatedAt: number },
  origin: string,
  name: string,
) {
  return {
    id: String(channel.id),
    owner_id: String(channel.ownerId),
    name,
    origin,
    created_at: wireTime(channel.createdAt),
    updated_at: wireTime(channel.updatedAt),
  }
}

/**
 * Returns the target in the `User-Agent`, which is the default target of a request (habitat-today.md 3.1).
 */
export function targetOfAgent(userAgent: string | undefined): string | undefined {
  return /\((\w+-\w+);/.exec(userAgent ?? '')?.[1]
}
