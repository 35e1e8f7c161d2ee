import { z } from 'zod'
import { CHECKSUM, IDENT, TARGET, YESTERDAY } from '../conventions/examples.ts'
import {
  Checksum,
  Ident,
  Marks,
  Next,
  Package,
  PageQuery,
  Target,
  Time,
  ViewName,
  Visibility,
  named,
} from '../conventions/shapes.ts'

// Shapes of packages, their releases, and searches for them.

export const PackagePath = z.object({ origin: z.string(), name: z.string() })

export const ReleasesQuery = PageQuery.extend({
  version: z.string().optional().describe('only the releases of this version'),
})

export const SearchQuery = PageQuery.extend({
  q: z
    .string()
    .describe(
      'words that occur in origin/name, and fields, such as redis version:7.* in:stable. All must match',
    ),
  view: z.string().optional().describe('only packages with a release in this view, like in:'),
})

const ListedPackage = named(
  'ListedPackage',
  z.object({
    package: Package,
    targets: z.array(Target).describe('the targets for which it has releases'),
    views: z.array(ViewName).describe('the open views that have a release of it'),
    yanked_releases: z.int().describe('how many of its releases are yanked'),
    deprecated_releases: z.int().describe('how many of its releases are deprecated'),
  }),
)

const APP = {
  package: 'acme/app',
  targets: [TARGET as typeof TARGET],
  views: ['acceptance', 'unstable'],
  yanked_releases: 0,
  deprecated_releases: 0,
}

export const Packages = named(
  'Packages',
  z.object({ origin: z.string(), packages: z.array(ListedPackage), next: Next }),
  { origin: 'acme', packages: [APP], next: null },
)

export const FoundPackages = named(
  'FoundPackages',
  z.object({ packages: z.array(ListedPackage), next: Next }),
  { packages: [APP], next: null },
)

const ListedRelease = named(
  'ListedRelease',
  z.object({
    ident: Ident,
    target: Target,
    visibility: Visibility,
    checksum: Checksum,
    size_bytes: z.int(),
    published_at: Time,
    views: z.array(ViewName).describe('the open views that have it, by name'),
    ...Marks,
    announced: z
      .boolean()
      .describe('whether the depot has only its description from upstream, and not yet its bytes'),
  }),
)

export const Releases = named(
  'Releases',
  z.object({ package: Package, releases: z.array(ListedRelease), next: Next }),
  {
    package: 'acme/app',
    releases: [
      {
        ident: IDENT,
        target: TARGET,
        visibility: 'public',
        checksum: CHECKSUM,
        size_bytes: 1_048_576,
        published_at: YESTERDAY,
        views: ['acceptance', 'unstable'],
        yank: null,
        deprecation: null,
        announced: false,
      },
    ],
    next: null,
  },
)
