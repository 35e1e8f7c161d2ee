import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { listReserved } from '../../../origins/reserved-store.ts'
import { formatColumns } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { ReservationChange, ReservedNames } from './shapes.ts'

const tags = ['origins']

/** Routes for the names that only administrators of the depot may give to new origins. */
export function reservedNameRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/reserved-origins',
    {
      schema: {
        operationId: 'listReservedNames',
        tags,
        summary: 'Lists the names that are reserved for new origins of administrators',
        description: 'Administrators only.',
        errors: ['forbidden'],

        querystring: FormatQuery,
        response: textToo(ReservedNames),
      },
      onRequest: administratorOnly,
      preSerialization: orText(reservedText),
    },
    async (_request, reply) => reply.headers(NO_STORE).send({ patterns: await listReserved(depot.db) }),
  )

  api.patch(
    '/reserved-origins',
    {
      schema: {
        operationId: 'reserveNames',
        tags,
        summary: 'Reserves names for new origins of administrators, or ends reservations',
        description: 'Administrators only. Existing origins stay as they are.',
        errors: ['forbidden'],

        body: ReservationChange,
        response: answers(ReservedNames),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { add = [], remove = [] } = request.body
      request.subject = 'the reserved names of origins'
      const input = { add, remove }
      const patterns = await depot.writer.submit({
        kind: 'reserveNames',
        input,
        actor: actorOf(request, 'api'),
      })
      return reply.headers(NO_STORE).send({ patterns })
    },
  )
}

function reservedText({ patterns }: z.infer<typeof ReservedNames>): string {
  return formatColumns(
    ['RESERVED NAMES'],
    patterns.map((pattern) => [pattern]),
  )
}
