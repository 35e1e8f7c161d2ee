import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { formatPackageName } from '../../../package/ident.ts'
import { TARGETS } from '../../../package/target.ts'
import { listPackagesAfter, listReleasesOf } from '../../../releases/package-list-store.ts'
import type { ListedPackage } from '../../../releases/list-store.ts'
import { getView } from '../../../revisions/view-store.ts'
import { parseSearch } from '../../../search/package-search.ts'
import { searchPackagesAfter } from '../../../search/search-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { PageQuery } from '../conventions/shapes.ts'
import { wireMarks, wireTime } from '../conventions/wire.ts'
import { OriginPath } from '../origins/shapes.ts'
import { FoundPackages, PackagePath, Packages, Releases, ReleasesQuery, SearchQuery } from './shapes.ts'
import { packagesText, releasesText } from './text.ts'

const tags = ['packages']
const ReleasePlace = z.tuple([z.string(), z.enum(TARGETS)])
const FoundPlace = z.tuple([z.string(), z.string()])

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
          'By the words of their origins and names: letters, digits and _. By name. Only packages with a release that the caller may see are found.',
        errors: ['not_found'],

        querystring: SearchQuery,
        response: textToo(FoundPackages),
      },
      preSerialization: orText(packagesText),
    },
    async (request, reply) => {
      const { q, view, limit } = request.query
      const search = parseSearch(q)
      if (search === undefined) {
        const detail = 'q must have a letter or a digit'
        throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/q' }] })
      }
      const viewId = view === undefined ? undefined : (await getView(depot.db, view)).id
      const listKey = { list: 'search', q, view }
      const found = await searchPackagesAfter(
        depot.db,
        search,
        { viewId, after: placeIn(request.query, listKey, FoundPlace), limit: limit + 1 },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: (item) => [item.package.name, item.package.origin],
      })
      return reply.send({ packages: items.map(wireListed), next })
    },
  )
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
