import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readVersion } from '../../../package-root.ts'
import { formatColumns } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, named } from '../conventions/shapes.ts'

const Version = named(
  'Version',
  z.object({ name: z.literal('hart-depot'), version: z.string().describe('as in package.json') }),
  { name: 'hart-depot', version: '1.0.0' },
)

export function versionRoutes(app: FastifyInstance): void {
  const answer: z.infer<typeof Version> = { name: 'hart-depot', version: readVersion() }
  app.withTypeProvider<ZodTypeProvider>().get(
    '/version',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'getVersion',
        tags: ['operation'],
        summary: 'Shows the version of the depot',
        description: 'A server that does not answer with this name is not a hart-depot, or an older one.',

        querystring: FormatQuery,
        response: textToo(Version),
      },
      preSerialization: orText(versionText),
    },
    async (_request, reply) => reply.send(answer),
  )
}

function versionText({ name, version }: z.infer<typeof Version>): string {
  return formatColumns(['DEPOT', 'VERSION'], [[name, version]])
}
