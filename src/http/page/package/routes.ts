import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import { getAccountName } from '../../../accounts/account-store.ts'
import { listChangesOfRelease } from '../../../changes/change-store.ts'
import { DepotError } from '../../../errors.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { formatIdent, formatPackageName } from '../../../package/ident.ts'
import { DEFAULT_TARGET, TARGETS } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import { listDependentReleases } from '../../../releases/dependents-store.ts'
import {
  listPackagesAfter,
  listReleasesOf,
  listTargetsOfPackage,
} from '../../../releases/package-list-store.ts'
import { findRelease, listTargets } from '../../../releases/release-store.ts'
import { describeNeed } from '../../../retention/describe.ts'
import { findReasons } from '../../../retention/reasons.ts'
import type { ReasonChain } from '../../../retention/reasons.ts'
import { listLatestSpans } from '../../../revisions/membership-store.ts'
import { listViews } from '../../../revisions/view-store.ts'
import { findWhy } from '../../../revisions/why.ts'
import { UNSTABLE } from '../../../views/view.ts'
import { cursorOf, placeIn } from '../../api/conventions/pages.ts'
import type { RouteContext } from '../../requests/request.ts'
import { mayChangeIn } from '../html/may-change.ts'
import { readFleet } from '../fleet/read-fleet.ts'
import { OptionalText } from '../html/query.ts'
import { originContent, packageContent } from './package-templates.ts'
import { releaseContent } from './release-templates.ts'
import type { Lane } from './timeline.ts'

const OriginParams = z.object({ origin: z.string() })
const PackageParams = OriginParams.extend({ name: z.string() })
const ReleaseParams = PackageParams.extend({ version: z.string(), release: z.string() })
const TargetQuery = z.object({ target: z.enum(TARGETS).optional() })
const ReleasePlace = z.tuple([z.string(), z.enum(TARGETS)])
const PAGE_PACKAGES = 200
const PAGE_RELEASES = 50
/** The number of bars of one lane of the chart. */
const LANE_SPANS = 60
const SHOWN_DEPENDENTS = 20

/** Routes for origins, packages and releases. */
export function packageRoutes(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { depot } = context
  const { db, now } = depot

  pages.get(
    '/pkgs/:origin',
    { schema: { params: OriginParams, querystring: z.object({ after: OptionalText }) } },
    async (request, reply) => {
      const { name: origin } = await getOrigin(db, request.params.origin)
      const page = { after: request.query.after, limit: PAGE_PACKAGES + 1 }
      const found = await listPackagesAfter(db, origin, page, audienceOf(request.caller))
      const packages = found.slice(0, PAGE_PACKAGES)
      const next = found.length > PAGE_PACKAGES ? packages.at(-1)?.package.name : undefined
      return reply.page(originContent(request.visit, { origin, packages, next }))
    },
  )

  pages.get(
    '/pkgs/:origin/:name',
    { schema: { params: PackageParams, querystring: TargetQuery.extend({ cursor: OptionalText }) } },
    async (request, reply) => {
      const { origin, name } = request.params
      const audience = audienceOf(request.caller)
      const listKey = { list: 'page of releases', origin, name }
      const after = placeIn({ ...request.query, limit: PAGE_RELEASES }, listKey, ReleasePlace)
      const found = await listReleasesOf(
        db,
        { origin, name, version: undefined },
        { after, limit: PAGE_RELEASES + 1 },
        audience,
      )
      if (found.length === 0) throw new DepotError('not_found', `there is no package ${origin}/${name}`)
      const releases = found.slice(0, PAGE_RELEASES)
      const targets = await listTargetsOfPackage(db, { origin, name }, audience)
      const [first = DEFAULT_TARGET] = targets
      const target = request.query.target ?? (targets.includes(DEFAULT_TARGET) ? DEFAULT_TARGET : first)
      const packageName = formatPackageName({ origin, name })
      const last = found.length > PAGE_RELEASES ? releases.at(-1) : undefined
      return reply.page(
        packageContent(request.visit, {
          origin,
          name: packageName,
          target,
          targets,
          lanes: await readLanes(packageName, target, audience),
          fleet: await readFleet(
            context,
            request.caller,
            await listViews(db),
            (line) => line.package === packageName && line.target === target,
          ),
          releases,
          next: last && cursorOf(listKey, last.place),
        }),
      )
    },
  )

  pages.get(
    '/pkgs/:origin/:name/:version/:release',
    { schema: { params: ReleaseParams, querystring: TargetQuery } },
    async (request, reply) => {
      const audience = audienceOf(request.caller)
      const ident = formatIdent(request.params)
      const release = await findRelease(db, ident, request.query.target, audience)
      if (release === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
      const { target } = release
      const [publisher, targets, why, reasons, dependents, changes, views] = await Promise.all([
        getAccountName(db, release.publisherId),
        listTargets(db, ident, audience),
        findWhy(db, release, { audience, now: now() }),
        findReasons(db, { ident, target }, { audience, now: now() }),
        listDependentReleases(
          db,
          { ident, target },
          { after: undefined, limit: SHOWN_DEPENDENTS + 1 },
          audience,
        ),
        listChangesOfRelease(db, release.id, audience),
        listViews(db),
      ])
      return reply.page(
        releaseContent(request.visit, {
          release,
          publisher,
          targets,
          why,
          reasons: reasons.chains.map(describeChain),
          dependents: dependents.slice(0, SHOWN_DEPENDENTS).map((dependent) => dependent.ident),
          hasMoreDependents: dependents.length > SHOWN_DEPENDENTS,
          changes,
          changeable: new Set(
            views
              .filter(
                (view) => view.name !== UNSTABLE && mayChangeIn(request.visit, view, release.ident.origin),
              )
              .map(({ name }) => name),
          ),
        }),
      )
    },
  )

  /** Reads what was latest for a package in each open view that ever had it. */
  async function readLanes(name: string, target: Target, audience: Audience): Promise<Lane[]> {
    const views = (await listViews(db)).filter((view) => view.name !== UNSTABLE && view.preview === undefined)
    const lanes = await Promise.all(
      views.map(async (view) => ({
        view: view.name,
        spans: await listLatestSpans(
          db,
          view,
          { package: name, target },
          { before: view.revision + 1, limit: LANE_SPANS },
          audience,
        ),
      })),
    )
    return lanes.filter(({ spans }) => spans.length > 0)
  }
}

/** Says what needs a release, as a sentence. */
function describeChain({ need, idents }: ReasonChain): string {
  const [first = '', ...others] = idents
  const what = `${first} ${need === undefined ? 'is in the depot' : describeNeed(need)}`
  return others.length === 0 ? `${what}.` : `${what}, and needs ${others.join(', which needs ')}.`
}
