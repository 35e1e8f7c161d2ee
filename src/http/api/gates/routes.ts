import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { listCommonFreezes, filterVisibleFreezes } from '../../../revisions/freeze-store.ts'
import { getPastView, getView } from '../../../revisions/view-store.ts'
import type { PackageFilter } from '../../../views/change-request.ts'
import { isInForce } from '../../../views/freeze.ts'
import type { Freeze } from '../../../views/freeze.ts'
import type { Override } from '../../../views/gates.ts'
import { digestOfSettings } from '../../../views/settings-digest.ts'
import type { View } from '../../../views/view.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import {
  administratorOnly,
  gateSettersOnly,
  expectMayChange,
  viewChangersOnly,
} from '../../requests/rights.ts'
import { digestOf, replyTagged, settingsDigestIn, tagOf } from '../conventions/entity-tags.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, ViewPath } from '../conventions/shapes.ts'
import { parsePackageFilter } from '../conventions/package-filter.ts'
import { FreezeBody, Freezes, GatesBody, GatesHeaders, GatesShape, ThawQuery } from './shapes.ts'
import { freezesText, gatesText } from './text.ts'
import { gatesFromBody, wireFreeze, wireGates } from './wire.ts'

const tags = ['rules of views']

/** Routes for the gates and freezes of views. The API calls a gate a rule. */
export function gateRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  /** Converts the gates of a view, with the freezes that the caller may see. */
  async function visibleGates(request: FastifyRequest, view: View) {
    return wireGates(view, {
      freezes: await filterVisibleFreezes(depot.db, view.freezes, audienceOf(request.caller)),
      now: depot.now(),
    })
  }

  /** Returns `visibleGates` and their entity tag, which starts with the digest of the gates. */
  async function taggedGates(request: FastifyRequest, view: View) {
    const body = await visibleGates(request, view)
    return { tag: tagOf(request, digestOfSettings(view.gates), digestOf(body)), body }
  }

  /**
   * Returns the name of the view that a request freezes or thaws. Throws like `getView` and
   * `expectMayChange`.
   */
  async function nameOfView(
    request: FastifyRequest<{ Params: { view: string } }>,
    verb: string,
  ): Promise<string> {
    const view = await getView(depot.db, request.params.view)
    request.subject = `${verb} ${view.name}`
    expectMayChange(request, view, [])
    return view.name
  }

  /**
   * Converts the given freezes. Leaves out freezes that are not in force and freezes that the caller may not
   * see.
   */
  async function visibleFreezes(request: FastifyRequest, freezes: readonly Freeze[]) {
    const visible = await filterVisibleFreezes(depot.db, freezes, audienceOf(request.caller))
    return {
      freezes: visible
        .filter((freeze) => isInForce(freeze, depot.now()))
        .map((freeze) => wireFreeze(freeze, null)),
    }
  }

  api.get(
    '/views/:view/gates',
    {
      schema: {
        operationId: 'getGates',
        tags,
        summary: 'Shows the rules of a view',
        description:
          'With the freezes that are in force now. The entity tag can be sent as If-Match when the rules are replaced.',
        errors: ['not_found'],

        params: ViewPath,
        querystring: FormatQuery,
        response: textToo(GatesShape),
      },
      preSerialization: orText(gatesText),
    },
    async (request, reply) =>
      replyTagged(
        request,
        reply,
        await taggedGates(request, await getPastView(depot.db, request.params.view)),
      ),
  )

  api.put(
    '/views/:view/gates',
    {
      schema: {
        operationId: 'setGates',
        tags,
        summary: 'Replaces the rules of a view',
        description:
          'For administrators. Overriders of the view may replace them, too, if they give override and leave promoters, approvers and overriders as they are. Absent fields remove their rule. With If-Match, rules that somebody else has replaced are not overwritten: the answer is then 412 stale_settings. Safe to repeat.',
        errors: ['forbidden', 'not_found', 'refused', 'stale_settings'],

        params: ViewPath,
        headers: GatesHeaders,
        body: GatesBody,
        response: answers(GatesShape),
      },
      onRequest: gateSettersOnly(depot),
    },
    async (request, reply) => {
      const { override } = request.body
      request.subject = `gates of ${request.params.view}`
      const read = settingsDigestIn(request.headers['if-match'])
      const view = await depot.writer.submit({
        kind: 'setGates',
        input: {
          view: request.params.view,
          gates: gatesFromBody(request.body),
          ...(read !== undefined && { read }),
          ...(override !== undefined && { override }),
        },
        actor: actorOf(request, 'api'),
      })
      const { tag, body } = await taggedGates(request, view)
      return reply.header('etag', tag).send(body)
    },
  )

  api.put(
    '/views/:view/freeze',
    {
      schema: {
        operationId: 'freezeView',
        tags,
        summary: 'Freezes a view, or packages in it',
        description:
          'For administrators and promoters of the view. If the gates name no promoters, overriders may freeze it with override. Until a time, or until the freeze is ended. With origin, name or both, only these packages. A freeze of the same packages is replaced. Safe to repeat. A view has at most 100 freezes.',
        errors: ['conflict', 'forbidden', 'ident_malformed', 'not_found', 'refused'],

        params: ViewPath,
        body: FreezeBody,
        response: answers(GatesShape),
      },
      onRequest: viewChangersOnly(depot),
    },
    async (request, reply) => {
      const input = { view: await nameOfView(request, 'freeze'), ...parseFreeze(request.body) }
      const view = await depot.writer.submit({ kind: 'freeze', input, actor: actorOf(request, 'api') })
      return reply.send(await visibleGates(request, view))
    },
  )

  api.delete(
    '/views/:view/freeze',
    {
      schema: {
        operationId: 'thawView',
        tags,
        summary: 'Ends a freeze of a view',
        description:
          'Without origin and name, ends the freeze of the whole view. With origin, name or both, ends the freeze that was set with exactly these.',
        errors: ['conflict', 'forbidden', 'ident_malformed', 'not_found', 'refused'],

        params: ViewPath,
        querystring: ThawQuery,
        response: answers(GatesShape),
      },
      onRequest: viewChangersOnly(depot),
    },
    async (request, reply) => {
      const input = { view: await nameOfView(request, 'thaw'), ...parseThaw(request.query) }
      const view = await depot.writer.submit({ kind: 'thaw', input, actor: actorOf(request, 'api') })
      return reply.send(await visibleGates(request, view))
    },
  )

  api.get(
    '/freeze',
    {
      schema: {
        operationId: 'listFreezes',
        tags,
        summary: 'Lists the freezes that hold in every view',
        description: 'A freeze of one view is shown with the rules of that view.',

        querystring: FormatQuery,
        response: textToo(Freezes),
      },
      preSerialization: orText(freezesText),
    },
    async (request, reply) => reply.send(await visibleFreezes(request, await listCommonFreezes(depot.db))),
  )

  api.put(
    '/freeze',
    {
      schema: {
        operationId: 'freezeAllViews',
        tags,
        summary: 'Freezes all views',
        description:
          'Administrators only. Includes future views, but not unstable, which every upload joins. At most 100 freezes. Safe to repeat.',
        errors: ['conflict', 'forbidden', 'ident_malformed'],

        body: FreezeBody,
        response: answers(Freezes),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = 'freeze every view'
      const input = parseFreeze(request.body)
      const freezes = await depot.writer.submit({ kind: 'freezeAll', input, actor: actorOf(request, 'api') })
      return reply.send(await visibleFreezes(request, freezes))
    },
  )

  api.delete(
    '/freeze',
    {
      schema: {
        operationId: 'thawAllViews',
        tags,
        summary: 'Ends a freeze of all views',
        description:
          'Administrators only. Without origin and name, ends the freeze of everything. With origin, name or both, ends the freeze that was set with exactly these. Freezes of single views continue.',
        errors: ['conflict', 'forbidden', 'ident_malformed', 'not_found'],

        querystring: ThawQuery,
        response: answers(Freezes),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = 'thaw every view'
      const input = parseThaw(request.query)
      const freezes = await depot.writer.submit({ kind: 'thawAll', input, actor: actorOf(request, 'api') })
      return reply.send(await visibleFreezes(request, freezes))
    },
  )
}

/** Parses a freeze. Throws `ident_malformed`. */
function parseFreeze({
  reason,
  until,
  origin,
  name,
  override,
}: z.infer<typeof FreezeBody>): PackageFilter & { reason: string; until?: number; override?: Override } {
  return {
    ...parsePackageFilter({ origin, name }),
    reason,
    ...(until !== undefined && { until: Date.parse(until) }),
    ...(override !== undefined && { override }),
  }
}

/** Parses the packages whose freeze a thaw ends, and the override. Throws `ident_malformed`. */
function parseThaw({
  override,
  ...filter
}: z.infer<typeof ThawQuery>): PackageFilter & { override?: Override } {
  return {
    ...parsePackageFilter(filter),
    ...(override !== undefined && { override: { reason: override } }),
  }
}
