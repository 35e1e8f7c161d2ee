import { z } from 'zod'
import { parseIdent } from '../../../package/ident.ts'
import type {
  ListedIdent,
  ListedPackage as PackageItem,
  ListedVersion,
} from '../../../releases/list-store.ts'
import type { Release } from '../../../releases/release.ts'
import type { PackageSettings } from '../../../releases/settings-store.ts'
import { Ident, Visibility, wireIdent, wireTime } from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

/**
 * A release, with every field of both generations, so that one body serves both (habitat-today.md 1.3). Outside
 * of views it has its size, and the long texts are empty.
 */
export const Package = z
  .object({
    id: z.string(),
    owner_id: z.string(),
    name: z.string(),
    ident: Ident,
    ident_array: z.array(z.string()),
    origin: z.string(),
    checksum: z.string(),
    manifest: z.string(),
    config: z.string(),
    target: z.string(),
    deps: z.array(Ident),
    tdeps: z.array(Ident),
    build_deps: z.array(Ident),
    build_tdeps: z.array(Ident),
    exposes: z.array(z.int()),
    visibility: Visibility,
    package_type: z.enum(['Native', 'Standard']),
    is_a_service: z.boolean(),
    channels: z.array(z.string()),
    created_at: z.string(),
    updated_at: z.string(),
    size: z.int().optional(),
  })
  .meta({ id: 'HabitatPackage' })

/**
 * Renders a package for `latest` and exact shows in a view. `views` are the names of the views that contain
 * it.
 */
export function renderPackage(release: Release, views: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(wirePackage(release, views)))
}

/** Renders a package outside of views. */
export function renderPackageBriefly(release: Release, views: readonly string[]): Buffer {
  const brief: Json<typeof Package> = {
    ...wirePackage(release, views),
    manifest: '',
    config: '',
    size: release.sizeBytes,
  }
  return Buffer.from(JSON.stringify(brief))
}

function wirePackage(release: Release, views: readonly string[]): Json<typeof Package> {
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

function wireIdents(idents: readonly string[]): Json<typeof Ident>[] {
  return idents.map((text) => wireIdent(parseIdent(text)))
}

/** An item of a list of releases. */
export const ListedRelease = Ident.extend({
  channels: z.array(z.string()),
  platforms: z.array(z.string()),
}).meta({ id: 'HabitatListedIdent' })

export function wireListedRelease({ ident, targets, views }: ListedIdent): Json<typeof ListedRelease> {
  return { ...wireIdent(ident), channels: views, platforms: targets }
}

/** A package in place of its releases. */
export const Name = z.object({ origin: z.string(), name: z.string(), version: z.null(), release: z.null() })

export function wireName({ origin, name }: { origin: string; name: string }): Json<typeof Name> {
  return { origin, name, version: null, release: null }
}

/** An item of a list of packages. */
export const ListedPackage = Name.extend({ channels: z.array(z.string()), platforms: z.array(z.string()) })

export function wireListedPackage(listed: PackageItem): Json<typeof ListedPackage> {
  return { ...wireName(listed.package), channels: listed.views, platforms: listed.targets }
}

/** A version in place of its releases. */
export const Version = z.object({
  origin: z.string(),
  name: z.string(),
  version: z.string(),
  release_count: z.string(),
  latest: z.string(),
  platforms: z.array(z.string()),
  visibility: z.string(),
})

export function wireVersion(
  { origin, name }: { origin: string; name: string },
  listed: ListedVersion,
): Json<typeof Version> {
  const { version, releases, latest, targets, visibility } = listed
  return { origin, name, version, release_count: String(releases), latest, platforms: targets, visibility }
}

/** A channel that contains a release. */
export const ReleaseChannel = z.object({ name: z.string(), created_at: z.string(), promoted_at: z.string() })

export function wireReleaseChannel(view: {
  name: string
  channelCreatedAt: number
  promotedAt: number
}): Json<typeof ReleaseChannel> {
  return {
    name: view.name,
    created_at: wireTime(view.channelCreatedAt),
    promoted_at: wireTime(view.promotedAt),
  }
}

/** The packages that depend on a package, as `origin/name`. */
export const Dependents = z.object({ origin: z.string(), name: z.string(), rdeps: z.array(z.string()) })

/** The settings of a package (habitat-today.md 6, Settings). */
export const Settings = z.object({
  id: z.string(),
  origin: z.string(),
  name: z.string(),
  visibility: Visibility,
  owner_id: z.string(),
  hidden: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
})
export const ChangedSettings = z.object({ visibility: Visibility })

export function wireSettings(settings: PackageSettings): Json<typeof Settings> {
  return {
    id: String(settings.packageId),
    origin: settings.origin,
    name: settings.name,
    visibility: settings.visibility,
    owner_id: String(settings.ownerId),
    hidden: settings.visibility === 'hidden',
    created_at: wireTime(settings.createdAt),
    updated_at: wireTime(settings.updatedAt),
  }
}
