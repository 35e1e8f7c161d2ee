import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { listCommonFreezes, onlyKnown } from '../../../revisions/freeze-store.ts'
import { getPastView, getView } from '../../../revisions/view-store.ts'
import type { Only } from '../../../views/change-request.ts'
import { lasts } from '../../../views/freeze.ts'
import type { Freeze } from '../../../views/freeze.ts'
import type { View as ViewOfCore } from '../../../views/view.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, mayChange, mayChangeView } from '../../requests/rights.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, ViewPath } from '../conventions/shapes.ts'
import { parseOnly } from '../promotions/parse-change.ts'
import { FreezeBody, Freezes, GatesBody, GatesShape, ThawQuery } from './shapes.ts'
import { freezesText, gatesText } from './text.ts'
import { gatesOf, wireFreeze, wireGates } from './wire.ts'

const tags = ['rules of views']

/** Routes for the rules and freezes of views. */
export function gateRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  async function gatesFor(request: FastifyRequest, view: ViewOfCore) {
    return wireGates(view, {
      freezes: await onlyKnown(depot.db, view.freezes, audienceOf(request.caller)),
      now: depot.now(),
    })
  }

  /** Names the view that a request freezes or thaws. Throws like `getView` and `mayChange`. */
  async function viewToChange(
    request: FastifyRequest<{ Params: { view: string } }>,
    verb: string,
  ): Promise<string> {
    const view = await getView(depot.db, request.params.view)
    request.subject = `${verb} ${view.name}`
    mayChange(request, view, [])
    return view.name
  }

  async function visibleFreezes(request: FastifyRequest, freezes: readonly Freeze[]) {
    const known = await onlyKnown(depot.db, freezes, audienceOf(request.caller))
    return {
      freezes: known.filter((freeze) => lasts(freeze, depot.now())).map((freeze) => wireFreeze(freeze, null)),
    }
  }

  api.get(
    '/views/:view/gates',
    {
      schema: {
        tags,
        summary: "A view's rules",
        params: ViewPath,
        querystring: FormatQuery,
        response: textToo(GatesShape),
      },
      preSerialization: orText(gatesText),
    },
    async (request, reply) =>
      reply.send(await gatesFor(request, await getPastView(depot.db, request.params.view))),
  )

  api.put(
    '/views/:view/gates',
    {
      schema: {
        tags,
        summary: 'Replaces all rules of a view (administrators only)',
        params: ViewPath,
        body: GatesBody,
        response: answers(GatesShape),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = `gates of ${request.params.view}`
      const view = await depot.writer.submit({
        kind: 'govern',
        input: { view: request.params.view, gates: gatesOf(request.body) },
        actor: actorOf(request, 'api'),
      })
      return reply.send(await gatesFor(request, view))
    },
  )

  api.put(
    '/views/:view/freeze',
    {
      schema: {
        tags,
        summary:
          'Freezes a view, or only its packages of an origin or a name, until a time or until the freeze is ended (administrators and promoters of the view)',
        params: ViewPath,
        body: FreezeBody,
        response: answers(GatesShape),
      },
      onRequest: mayChangeView(depot),
    },
    async (request, reply) => {
      const input = { view: await viewToChange(request, 'freeze'), ...parseFreeze(request.body) }
      const view = await depot.writer.submit({ kind: 'freeze', input, actor: actorOf(request, 'api') })
      return reply.send(await gatesFor(request, view))
    },
  )

  api.delete(
    '/views/:view/freeze',
    {
      schema: {
        tags,
        summary: 'Ends the freeze of the whole view, or the one of exactly this origin and name',
        params: ViewPath,
        querystring: ThawQuery,
        response: answers(GatesShape),
      },
      onRequest: mayChangeView(depot),
    },
    async (request, reply) => {
      const input = { view: await viewToChange(request, 'thaw'), ...parseOnly(request.query) }
      const view = await depot.writer.submit({ kind: 'thaw', input, actor: actorOf(request, 'api') })
      return reply.send(await gatesFor(request, view))
    },
  )

  api.get(
    '/freeze',
    {
      schema: {
        tags,
        summary: 'The freezes that apply to all views',
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
        tags,
        summary:
          'Freezes all views, including future ones, except unstable, which every upload joins (administrators only)',
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
        tags,
        summary:
          'Ends the freeze of all views, or the one of exactly this origin and name. Freezes of single views continue (administrators only)',
        querystring: ThawQuery,
        response: answers(Freezes),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = 'thaw every view'
      const input = { ...parseOnly(request.query) }
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
}: z.infer<typeof FreezeBody>): Only & { reason: string; until?: number } {
  return { ...parseOnly({ origin, name }), reason, ...(until !== undefined && { until: Date.parse(until) }) }
}
