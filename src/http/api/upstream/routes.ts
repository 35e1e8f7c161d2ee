import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { DepotError, quote } from '../../../errors.ts'
import type { MirrorOperations, MirrorPlan } from '../../../upstream/mirror.ts'
import { adoptedChannels, formatChannel, notAdopted, upstreamChannels } from '../../../upstream/channels.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { NO_STORE, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { describeUpstream } from './describe.ts'
import { MAX_PLANNED, Mirror, MirrorBody, RefreshBody, Upstream } from './shapes.ts'
import { mirrorText, upstreamText } from './text.ts'

const tags = ['upstream']

/** Routes for administrators of a depot with an upstream. */
export function upstreamRoutes(app: FastifyInstance, context: RouteContext): void {
  const { depot, refresher, mirror } = context
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/upstream/mirror',
    {
      schema: {
        operationId: 'getMirror',
        tags,
        summary: 'Shows what the mirror has fetched',
        description:
          'Administrators only. The mirror fetches releases of upstream before somebody asks for them.',
        errors: ['forbidden', 'not_found'],
        querystring: FormatQuery,
        response: textToo(Mirror),
      },
      onRequest: administratorOnly,
      preSerialization: orText(mirrorText),
    },
    async (_request, reply) => {
      if (mirror === undefined) throw noMirror()
      return reply.headers(NO_STORE).send(await describeMirror(mirror, undefined))
    },
  )

  api.post(
    '/upstream/mirror',
    {
      schema: {
        operationId: 'runMirror',
        tags,
        summary: 'Begins a run of the mirror, or shows what it would fetch',
        description:
          'Administrators only. Answers at once, unless it is a dry run, which asks upstream for sizes. A run in progress goes on.',
        errors: ['forbidden', 'not_found'],
        querystring: FormatQuery,
        body: MirrorBody.nullish(),
        response: textToo(Mirror),
      },
      onRequest: administratorOnly,
      preSerialization: orText(mirrorText),
    },
    async (request, reply) => {
      if (mirror === undefined) throw noMirror()
      const isDry = request.body?.dry_run === true
      if (!isDry) await mirror.startMirror()
      const plan = isDry ? await mirror.planMirror() : undefined
      return reply.headers(NO_STORE).send(await describeMirror(mirror, plan))
    },
  )

  api.get(
    '/upstream',
    {
      schema: {
        operationId: 'getUpstream',
        tags,
        summary: 'Shows the upstream depot and how up to date its channels are',
        description: 'Administrators only.',
        errors: ['forbidden'],
        querystring: FormatQuery,
        response: textToo(Upstream),
      },
      onRequest: administratorOnly,
      preSerialization: orText(upstreamText),
    },
    async (_request, reply) => reply.headers(NO_STORE).send(await describeUpstream(context)),
  )

  api.post(
    '/upstream/refresh',
    {
      schema: {
        operationId: 'refreshUpstream',
        tags,
        summary: 'Begins to refresh channels of upstream origins',
        description:
          'Administrators only. Answers at once; GET /upstream shows when the refresh has ended and what came of it. A refresh that is in progress is not begun again.',
        errors: ['conflict', 'forbidden', 'not_found'],
        querystring: FormatQuery,
        body: RefreshBody.nullish(),
        response: textToo(Upstream),
      },
      onRequest: administratorOnly,
      preSerialization: orText(upstreamText),
    },
    async (request, reply) => {
      const { channels: names, accept_removals: acceptsRemovals = false } = request.body ?? {}
      if (refresher === undefined) throw new DepotError('not_found', 'this depot has no upstream')
      if (acceptsRemovals && names === undefined)
        throw new DepotError('invalid_request', 'name the channels whose removals you accept')
      const all = upstreamChannels(depot)
      const chosen = names?.map((name) => {
        const channel = all.find((candidate) => formatChannel(candidate) === name)
        if (channel === undefined)
          throw new DepotError('not_found', `the settings name no channel ${quote(name)} of upstream`)
        return channel
      })
      const adopted = await adoptedChannels(depot)
      for (const { origin } of chosen ?? [])
        if (!adopted.some((channel) => channel.origin === origin))
          throw new DepotError('conflict', notAdopted(origin))
      await refresher.refresh(chosen ?? adopted, { acceptsRemovals, by: request.caller?.accountName })
      return reply.headers(NO_STORE).send(await describeUpstream(context))
    },
  )
}

async function describeMirror(
  operations: MirrorOperations,
  plan: MirrorPlan | undefined,
): Promise<z.infer<typeof Mirror>> {
  const { begunAt, endedAt, succeededAt, fault, ...counts } = await operations.mirrorStatus()
  return {
    status: {
      running: begunAt !== undefined && endedAt === undefined,
      begun_at: begunAt === undefined ? null : wireTime(begunAt),
      ended_at: endedAt === undefined ? null : wireTime(endedAt),
      ...counts,
      fault: fault ?? null,
      succeeded_at: succeededAt === undefined ? null : wireTime(succeededAt),
    },
    plan: plan === undefined ? null : wirePlan(plan),
  }
}

function wirePlan({ releases, absentViews }: MirrorPlan): z.infer<typeof Mirror>['plan'] {
  const sizes = releases.flatMap(({ sizeBytes }) => sizeBytes ?? [])
  return {
    releases: releases
      .slice(0, MAX_PLANNED)
      .map(({ ident, target, sizeBytes }) => ({ ident, target, size_bytes: sizeBytes ?? null })),
    count: releases.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    unknown_sizes: releases.length - sizes.length,
    absent_views: [...absentViews],
  }
}

function noMirror(): DepotError {
  return new DepotError(
    'not_found',
    'DEPOT_MIRROR and DEPOT_MIRROR_VIEWS are not set, so nothing is mirrored',
  )
}
