import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError, quote } from '../../../errors.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import type { SecretBox } from '../../../origins/secret-box.ts'
import { formatPackageName } from '../../../package/ident.ts'
import { TARGETS } from '../../../package/target.ts'
import { listPackagesAfter, listReleasesOf } from '../../../releases/package-list-store.ts'
import { describePackages } from '../../../releases/list-store.ts'
import type { ListedPackage } from '../../../releases/list-store.ts'
import { getView } from '../../../revisions/view-store.ts'
import { findPackages } from '../../../search/find-packages.ts'
import { parsePackageQuery } from '../../../search/package-query.ts'
import type { PackageQuery } from '../../../search/package-query.ts'
import type { SuffixPlace } from '../../../search/suffix-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { cursorOf, cutPage, linkNext, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { PageQuery } from '../conventions/shapes.ts'
import { wireMarks, wireTime } from '../conventions/wire.ts'
import { OriginPath } from '../origins/shapes.ts'
import { FoundPackages, PackagePath, Packages, Releases, ReleasesQuery, SearchQuery } from './shapes.ts'
import { packagesText, releasesText } from './text.ts'

const tags = ['packages']
const ReleasePlace = z.tuple([z.string(), z.enum(TARGETS)])

export function packageRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins/:origin/packages',
    {
      ...shows('origin'),
      schema: {
        operationId: 'listPackages',
        tags,
        summary: 'Lists the packages of an origin',
        description: 'By name. Packages without a release that the caller may see are left out.',
        errors: ['not_found'],

        params: OriginPath,
        querystring: PageQuery,
        response: textToo(Packages),
      },
      preSerialization: orText(packagesText),
    },
    async (request, reply) => {
      const { name: origin } = await getOrigin(depot.db, request.params.origin)
      const listKey = { list: 'packages', origin }
      const found = await listPackagesAfter(
        depot.db,
        origin,
        { after: placeIn(request.query, listKey, z.string()), limit: request.query.limit + 1 },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: (item) => item.package.name,
      })
      return reply.send({ origin, packages: items.map(wireListed), next })
    },
  )

  api.get(
    '/packages/:origin/:name/releases',
    {
      ...shows('origin'),
      schema: {
        operationId: 'listReleases',
        tags,
        summary: 'Lists the releases of a package, and the views of each',
        description: 'Highest first, and for each target. version restricts the list to one version.',
        errors: ['not_found'],

        params: PackagePath,
        querystring: ReleasesQuery,
        response: textToo(Releases),
      },
      preSerialization: orText(releasesText),
    },
    async (request, reply) => {
      const { origin, name } = request.params
      const { version, limit } = request.query
      const listKey = { list: 'releases', origin, name, version }
      const after = placeIn(request.query, listKey, ReleasePlace)
      const found = await listReleasesOf(
        depot.db,
        { origin, name, version },
        { after, limit: limit + 1 },
        audienceOf(request.caller),
      )
      if (found.length === 0 && after === undefined)
        throw new DepotError(
          'not_found',
          `there is no package ${origin}/${name}${version === undefined ? '' : ` of version ${version}`}`,
        )
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      return reply.send({
        package: formatPackageName({ origin, name }),
        releases: items.map((release) => ({
          ident: release.ident,
          target: release.target,
          visibility: release.visibility,
          checksum: release.checksum,
          size_bytes: release.sizeBytes,
          published_at: wireTime(release.createdAt),
          views: [...release.views],
          ...wireMarks(release),
          announced: release.isAnnounced,
        })),
        next,
      })
    },
  )

  api.get(
    '/search',
    {
      schema: {
        operationId: 'searchPackages',
        tags,
        summary: 'Searches for packages',
        description:
          'Words occur anywhere in origin/name. The fields origin:, name:, version:, target:, signed-by: and in: (a view) match whole values or, with a star at the end, their beginnings: version:1.2*. All words and fields must match; version, target, signer and view, the same release. Only signatures that the depot has verified count. Packages whose name is the longest word come first, then those that begin with it. Only packages with a release that the caller may see are found. A page may have less than limit packages, even none, although next has more: no request looks at more than some thousand packages.',
        errors: ['not_found'],

        querystring: SearchQuery,
        response: textToo(FoundPackages),
      },
      preSerialization: orText(packagesText),
    },
    async (request, reply) => {
      const { q, limit } = request.query
      const query = parsePackageQuery(q)
      const view = viewOf(query, request.query.view)
      const viewId = view === undefined ? undefined : (await getView(depot.db, view)).id
      const listKey = { list: 'search', q, view }
      const audience = audienceOf(request.caller)
      const place = placeIn(request.query, listKey, z.string())
      const after = place === undefined ? undefined : openPlace(depot.secrets, place)
      const { items, next } = await findPackages(depot.db, query, { viewId, after, limit }, audience)
      return reply.send({
        packages: (await describePackages(depot.db, items, audience)).map(wireListed),
        next:
          next === undefined
            ? null
            : linkNext(request, reply, { cursor: cursorOf(listKey, sealPlace(depot.secrets, next)) }),
      })
    },
  )
}

/** Returns the view in which a search looks. Throws `invalid_request` if it names two. */
function viewOf({ fields }: PackageQuery, parameter: string | undefined): string | undefined {
  const named = fields.in?.text
  if (named === undefined || parameter === undefined || named === parameter) return named ?? parameter
  const detail = `the search looks in ${quote(named)}, but view is ${quote(parameter)}`
  throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/view' }] })
}

const SuffixPlaceShape = z.tuple([z.literal([0, 1, 2]), z.string(), z.int()])
const PURPOSE = 'the place of a search'

/** Encrypts the place after which the next page begins, because it may name a package that nobody may see. */
function sealPlace(secrets: SecretBox, place: SuffixPlace): string {
  return secrets.seal(JSON.stringify(place), PURPOSE)
}

/** The inverse of {@link sealPlace}. Throws `invalid_request`. */
function openPlace(secrets: SecretBox, sealed: string): SuffixPlace {
  try {
    return SuffixPlaceShape.parse(JSON.parse(secrets.open(sealed, PURPOSE)))
  } catch (cause) {
    const detail = 'the cursor is too old, or was altered: start without a cursor'
    throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/cursor' }], cause })
  }
}

function wireListed(listed: ListedPackage) {
  return {
    package: formatPackageName(listed.package),
    targets: [...listed.targets],
    views: [...listed.views],
    yanked_releases: listed.marks.yanked,
    deprecated_releases: listed.marks.deprecated,
  }
}
