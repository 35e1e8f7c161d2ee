import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { WINDOW_MS } from '../../../pollers/pollers.ts'
import type { CountedName } from '../../../pollers/counted-names.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { NO_STORE, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { describeLines } from './describe.ts'
import { PollersAnswer, PollersQuery } from './shapes.ts'
import { pollersText } from './text.ts'

/** The route that shows administrators how many supervisors poll. */
export function pollerRoutes(app: FastifyInstance, { depot, answers, pollCounts }: RouteContext): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/pollers',
    {
      schema: {
        operationId: 'getPollers',
        tags: ['operation'],
        summary: 'Shows how many pollers each package has',
        description:
          'Administrators only. Pollers are addresses, not hosts: of a group that updates in the rolling way only the leader polls, several hosts may share an address, and a proxy may hide all of them. For a package without an entry, the number is unknown, not 0. Counts are lost when the depot stops.',
        errors: ['forbidden'],
        querystring: PollersQuery.extend(FormatQuery.shape),
        response: textToo(PollersAnswer),
      },
      onRequest: administratorOnly,
      preSerialization: orText(pollersText),
    },
    async (request, reply) => {
      const { view } = request.query
      const isSelected = (name: string) => view === undefined || view === name
      const counts = await pollCounts()
      const answer: z.infer<typeof PollersAnswer> = {
        counting: depot.config.countsPollers,
        since: wireTime(counts.since),
        window_seconds: WINDOW_MS / 1_000,
        lines: describeLines(counts, answers, ({ view: name }) => isSelected(name)),
        incomplete: counts.isIncomplete,
        absent_views: counts.absentViews
          .filter(({ name }) => isSelected(name))
          .map((counted) => ({ view: counted.name, ...wireCount(counted) })),
        absent_packages: counts.absentPackages
          .map(({ name, ...counted }) => {
            const [of = '', packageName = ''] = name.split(' ')
            return { view: of, package: packageName, ...wireCount(counted) }
          })
          .filter((absent) => isSelected(absent.view)),
        refused_addresses: counts.refusedAddresses.map((counted) => ({
          address: counted.name,
          ...wireCount(counted),
        })),
      }
      return reply.headers(NO_STORE).send(answer)
    },
  )
}

function wireCount({ polls, lastAt }: Omit<CountedName, 'name'>): { polls: number; last_at: string } {
  return { polls, last_at: wireTime(lastAt) }
}
