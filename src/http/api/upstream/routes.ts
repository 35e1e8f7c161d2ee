import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { listRefreshed } from '../../../channels/refresh-store.ts'
import { DepotError, quote } from '../../../errors.ts'
import { nameOf, upstreamChannels } from '../../../upstream/refresher.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { NO_STORE, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { RefreshBody, Upstream } from './shapes.ts'
import { upstreamText } from './text.ts'

const tags = ['upstream']

/** Routes for administrators of a depot with an upstream. */
export function upstreamRoutes(app: FastifyInstance, { depot, refresher }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  const describe = async (): Promise<z.infer<typeof Upstream>> => {
    const { upstream } = depot.config
    const known = new Map((await listRefreshed(depot.db)).map((row) => [nameOf(row), row]))
    const refreshing = new Set((await refresher?.refreshing())?.map(nameOf))
    return {
      url: upstream?.url ?? null,
      origins: [...(upstream?.origins ?? [])],
      channels: upstreamChannels(depot).map((channel) => {
        const row = known.get(nameOf(channel))
        return {
          ...channel,
          refreshing: refreshing.has(nameOf(channel)),
          refreshed_at: row?.refreshedAt === undefined ? null : wireTime(row.refreshedAt),
          attempted_at: row === undefined ? null : wireTime(row.attemptedAt),
          fault: row?.fault ?? null,
          held_removals: row?.removals ?? 0,
        }
      }),
    }
  }

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
    async (_request, reply) => reply.headers(NO_STORE).send(await describe()),
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
        errors: ['forbidden', 'not_found'],
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
        const channel = all.find((candidate) => nameOf(candidate) === name)
        if (channel === undefined)
          throw new DepotError('not_found', `the settings name no channel ${quote(name)} of upstream`)
        return channel
      })
      await refresher.refresh(chosen ?? all, { acceptsRemovals, by: request.caller?.accountName })
      return reply.headers(NO_STORE).send(await describe())
    },
  )
}
