import { z } from 'zod'
import { parseIdent } from '../../../package/ident.ts'
import type {
  ListedIdent,
  ListedPackage as PackageItem,
  ListedVersion,
} from '../../../releases/list-store.ts'
import type { Release } from '../../../releases/release.ts'
import type { PackageSettings } from '../../../releases/settings-store.ts'
import { named } from '../../requests/described.ts'
import {
  EXAMPLE_IDENT,
  EXAMPLE_TIME,
  Ident,
  Visibility,
  pageOf,
  wireIdent,
  wireTime,
} from '../conventions/shapes.ts'
import type { Json } from '../conventions/shapes.ts'

/**
 * A release, with every field of both generations of clients, so that one body serves both (habitat-today.md
 * 1.3). In answers outside of views, `size` is set, and `manifest` and `config` are empty.
 */
const packageShape = z.object({
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
  // Builder has neither field, and its clients ignore them.
  yank: z.string().optional(),
  deprecation: z.string().optional(),
})

export const Package = named('HabitatPackage', packageShape, {
  id: '42',
  owner_id: '1',
  name: 'app',
  ident: EXAMPLE_IDENT,
  ident_array: ['acme', 'app', '1.2.0', '20260101120000'],
  origin: 'acme',
  checksum: 'a4f1c9f1d4cfd2a14f4a9c1f33ad1fc94b1a1b3ab61f4b0dc9ab7fb3bb3a2e51',
  manifest: '# acme / app',
  config: 'port = 8080',
  target: 'x86_64-linux',
  deps: [],
  tdeps: [],
  build_deps: [],
  build_tdeps: [],
  exposes: [8080],
  visibility: 'public',
  package_type: 'Standard',
  is_a_service: true,
  channels: ['unstable', 'acceptance'],
  created_at: EXAMPLE_TIME,
  updated_at: EXAMPLE_TIME,
})

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
    ...(!release.isAnnounced && { size: release.sizeBytes }),
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
    ...(release.yanked !== undefined && { yank: release.yanked.reason }),
    ...(release.deprecated !== undefined && { deprecation: release.deprecated.reason }),
  }
}

function wireIdents(idents: readonly string[]): Json<typeof Ident>[] {
  return idents.map((text) => wireIdent(parseIdent(text)))
}

/** The bytes of a release: the file itself, or a form with the part `file`. */
export const HartFile = named(
  'HartFile',
  z.string().meta({ format: 'binary' }).describe('a hart file: some lines of text, and an archive'),
  'HART-1\nacme-20250101000000\nBLAKE2b\n(base64 of the signed checksum)\n\n(the archive)',
)

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

/** A page of releases, or of packages with `distinct`. */
export const ListPage = pageOf('HabitatPage', z.union([ListedRelease, ListedPackage]), {
  ...EXAMPLE_IDENT,
  channels: ['unstable', 'acceptance'],
  platforms: ['x86_64-linux'],
})

export function wireListedPackage(listed: PackageItem): Json<typeof ListedPackage> {
  return { ...wireName(listed.package), channels: listed.views, platforms: listed.targets }
}

/** A page of idents, or of packages with `distinct`. */
export const SearchPage = pageOf('HabitatSearchPage', z.union([Ident, Name]), EXAMPLE_IDENT)

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
export const Versions = named('HabitatVersions', z.array(Version), [
  {
    origin: 'acme',
    name: 'app',
    version: '1.2.0',
    release_count: '1',
    latest: '20260101120000',
    platforms: ['x86_64-linux'],
    visibility: 'public',
  },
])

export function wireVersion(
  { origin, name }: { origin: string; name: string },
  listed: ListedVersion,
): Json<typeof Version> {
  const { version, releases, latest, targets, visibility } = listed
  return { origin, name, version, release_count: String(releases), latest, platforms: targets, visibility }
}

/** A channel that contains a release. */
export const ReleaseChannel = z.object({ name: z.string(), created_at: z.string(), promoted_at: z.string() })
export const ReleaseChannels = named('HabitatReleaseChannels', z.array(ReleaseChannel), [
  { name: 'acceptance', created_at: EXAMPLE_TIME, promoted_at: EXAMPLE_TIME },
])

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
export const Dependents = named(
  'HabitatDependents',
  z.object({ origin: z.string(), name: z.string(), rdeps: z.array(z.string()) }),
  { origin: 'core', name: 'openssl', rdeps: ['acme/app'] },
)

/** The settings of a package (habitat-today.md 6, Settings). */
const settingsShape = z.object({
  id: z.string(),
  origin: z.string(),
  name: z.string(),
  visibility: Visibility,
  owner_id: z.string(),
  hidden: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
})
const EXAMPLE_SETTINGS: z.input<typeof settingsShape> = {
  id: '7',
  origin: 'acme',
  name: 'app',
  visibility: 'public',
  owner_id: '1',
  hidden: false,
  created_at: EXAMPLE_TIME,
  updated_at: EXAMPLE_TIME,
}
export const Settings = named('HabitatPackageSettings', settingsShape, EXAMPLE_SETTINGS)
export const SettingsPage = pageOf('HabitatPackageSettingsPage', Settings, EXAMPLE_SETTINGS)
export const ChangedSettings = named('HabitatNewPackageSettings', z.object({ visibility: Visibility }), {
  visibility: 'private',
})

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
