import { z } from 'zod'
import { CHECKSUM, EARLIER_IDENT, IDENT, NOW, TARGET, YESTERDAY } from '../conventions/examples.ts'
import {
  AtRevision,
  Checksum,
  Ident,
  LinePath,
  MOMENT_FORMS,
  Marks,
  Next,
  Package,
  PageQuery,
  Revision,
  Since,
  Target,
  ViewName,
  named,
} from '../conventions/shapes.ts'

// Shapes of the contents of views.

const NO_MARKS = { yank: null, deprecation: null }

export const VersionPath = LinePath.extend({ version: z.string() })

export const ContentQuery = PageQuery.extend({
  at: z.string().optional().describe(`${MOMENT_FORMS}: shows the view as it was then; default: now`),
  origin: z.string().optional(),
  name: z.string().optional(),
})

const Pointer = named(
  'Pointer',
  z
    .object({ package: Package, target: Target, ident: Ident, ...Since, ...Marks })
    .describe('the latest release of a package, and since when'),
)

export const Content = named('Content', z.object({ ...AtRevision, pointers: z.array(Pointer), next: Next }), {
  view: 'acceptance',
  revision: 12,
  at: NOW,
  pointers: [
    { package: 'acme/app', target: TARGET, ident: IDENT, since_revision: 12, since: NOW, ...NO_MARKS },
  ],
  next: null,
})

const Member = named('Member', z.object({ ident: Ident, target: Target, ...Since, ...Marks }))

export const Members = named('Members', z.object({ ...AtRevision, members: z.array(Member), next: Next }), {
  view: 'acceptance',
  revision: 12,
  at: NOW,
  members: [
    { ident: IDENT, target: TARGET, since_revision: 12, since: NOW, ...NO_MARKS },
    { ident: EARLIER_IDENT, target: TARGET, since_revision: 7, since: YESTERDAY, ...NO_MARKS },
  ],
  next: null,
})

export const Latest = named(
  'Latest',
  z.object({
    view: ViewName,
    package: Package,
    target: Target,
    ident: Ident,
    checksum: Checksum,
    revision: Revision.nullable().describe(
      'the revision that made this release the latest; null for the latest of one version',
    ),
  }),
  {
    view: 'acceptance',
    package: 'acme/app',
    target: TARGET,
    ident: IDENT,
    checksum: CHECKSUM,
    revision: 12,
  },
)
