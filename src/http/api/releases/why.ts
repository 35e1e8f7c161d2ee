import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { formatIdent, formatPackageName } from '../../../package/ident.ts'
import { hasDependents, listDependentReleases } from '../../../releases/dependents-store.ts'
import { getRelease } from '../../../releases/release-store.ts'
import { describeNeed, nameNeed } from '../../../retention/describe.ts'
import { refusesDeletion } from '../../../retention/needs-store.ts'
import type { Need } from '../../../retention/needs-store.ts'
import { findReasons } from '../../../retention/reasons.ts'
import type { ReasonChain } from '../../../retention/reasons.ts'
import { findWhy } from '../../../revisions/why.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, ReleasePath, TargetQuery } from '../conventions/shapes.ts'
import { wireSince, wireTime } from '../conventions/wire.ts'
import { HoldersQuery } from '../history/shapes.ts'
import { Dependents, Why } from './shapes.ts'
import { dependentsText, whyText } from './text.ts'

const tags = ['releases']
const SHOWN_DEPENDENTS = 20
const DependentPlace = z.tuple([z.int(), z.int()])

/** Routes that explain what a release is needed for. */
export function whyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/releases/:origin/:name/:version/:release/why',
    {
      schema: {
        operationId: 'explainRelease',
        tags,
        summary: 'Shows what needs a release, and what keeps it from being deleted',
        description:
          'Shows the views that contain the release, except unstable, with a chain of dependencies from each member that needs it; the open proposals about it; the releases in the depot that need it; and every reason for which retention keeps it, as a chain from what keeps it to the release. Names only what the caller may see.',
        errors: ['not_found'],

        params: ReleasePath,
        querystring: TargetQuery.extend(FormatQuery.shape),
        response: textToo(Why),
      },
      preSerialization: orText(whyText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const audience = audienceOf(request.caller)
      const release = await getRelease(depot.db, ident, request.query.target, audience)
      const { target } = release
      const now = depot.now()
      const { views, proposals } = await findWhy(depot.db, release, { audience, now })
      const reasons = await findReasons(depot.db, { ident, target }, { audience, now })
      const refusals = reasons.chains.flatMap(({ need, idents }) =>
        need !== undefined && idents.length === 1 && refusesDeletion(need) ? [need] : [],
      )
      const page = { after: undefined, limit: SHOWN_DEPENDENTS + 1 }
      const dependents = await listDependentReleases(depot.db, { ident, target }, page, audience)
      const name = formatPackageName(release.ident)
      const isNeeded = await hasDependents(depot.db, release.ident, target)
      return reply.send({
        ident,
        target,
        kept_by: [
          ...refusals.filter(({ kind }) => kind === 'hold').map(wireRefusal),
          ...views
            .filter(({ keeps }) => keeps)
            .map(({ view }) => ({ view: view.name, detail: `it is in ${view.name}: demote it first` })),
          ...refusals.filter(({ kind }) => kind !== 'hold').map(wireRefusal),
          ...(isNeeded
            ? [{ view: null, detail: `other packages depend on ${name}: delete those first` }]
            : []),
        ],
        views: views.map(({ view, sinceRevision, since, isLatest, keeps, chains, hasHiddenDependents }) => ({
          ...wireSince({ view: view.name, sinceRevision, since }),
          rule: view.rule,
          latest: isLatest,
          preview: view.preview !== undefined,
          keeps,
          needed_by: chains.map((chain) => [...chain]),
          needed_by_hidden: hasHiddenDependents,
        })),
        proposals: proposals.map(({ token, view, effect, account, createdAt }) => ({
          plan: token,
          view,
          act: effect.act,
          account: account ?? null,
          created_at: wireTime(createdAt),
        })),
        dependents: dependents
          .slice(0, SHOWN_DEPENDENTS)
          .map((dependent) => ({ ident: dependent.ident, target: dependent.target })),
        more_dependents: dependents.length > SHOWN_DEPENDENTS,
        reasons: reasons.chains.map(wireReason),
        more_reasons: reasons.hasMore,
        hidden_reasons: reasons.hasHidden,
      })
    },
  )

  api.get(
    '/releases/:origin/:name/:version/:release/dependents',
    {
      schema: {
        operationId: 'listDependents',
        tags,
        summary: 'Lists the releases that need a release',
        description:
          'Lists the releases for the same target whose transitive dependencies name this one, package by package, in the order in which the packages and their releases were published.',
        errors: ['not_found'],

        params: ReleasePath,
        querystring: HoldersQuery,
        response: textToo(Dependents),
      },
      preSerialization: orText(dependentsText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const audience = audienceOf(request.caller)
      const release = await getRelease(depot.db, ident, request.query.target, audience)
      const { target } = release
      const listKey = { list: 'dependents', release: release.id }
      const after = placeIn(request.query, listKey, DependentPlace)
      const page = { after, limit: request.query.limit + 1 }
      const found = await listDependentReleases(depot.db, { ident, target }, page, audience)
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      return reply.send({
        ident,
        target,
        dependents: items.map((dependent) => ({ ident: dependent.ident, target: dependent.target })),
        next,
      })
    },
  )
}

function wireRefusal(need: Need): { view: null; detail: string } {
  return { view: null, detail: `it ${describeNeed(need)}` }
}

function wireReason({ need, idents }: ReasonChain): z.infer<typeof Why>['reasons'][number] {
  const [first = ''] = idents
  return {
    kind: need?.kind ?? 'dependency',
    view: need !== undefined && 'view' in need ? need.view : null,
    chain: need === undefined ? [...idents] : [nameNeed(need), ...idents],
    detail: `${first} ${need === undefined ? 'is in the depot' : describeNeed(need)}`,
  }
}
