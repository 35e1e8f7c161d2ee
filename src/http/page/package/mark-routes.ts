import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { refusalOf } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import { TARGETS } from '../../../package/target.ts'
import { getRelease } from '../../../releases/release-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { releasePath } from '../html/parts.ts'
import { OptionalText } from '../html/query.ts'
import { marksContent } from './mark-templates.ts'

const URL = '/pkgs/:origin/:name/:version/:release/marks'
const params = z.object({ origin: z.string(), name: z.string(), version: z.string(), release: z.string() })
const querystring = z.object({ target: z.enum(TARGETS).optional() })
const MarkForm = z.object({
  _csrf: z.string(),
  mark: z.enum(['yanked', 'deprecated', 'held']),
  act: z.enum(['set', 'remove']),
  reason: OptionalText,
  override: OptionalText,
})

/** Routes for the forms that yank, deprecate and hold a release. */
export function markRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const ident = formatIdent(params.parse(request.params))
    const { target } = querystring.parse(request.query)
    const release = await getRelease(db, ident, target, audienceOf(request.caller))
    return reply.page(marksContent(request.visit, release))
  }
  pages.get(URL, { schema: { params, querystring }, onRequest: maintainersOnly }, showForm)

  pages.post(
    URL,
    { schema: { params, querystring, body: MarkForm }, onRequest: maintainersOnly, config: { showForm } },
    async (request, reply) => {
      const { mark, act, reason, override } = request.body
      const ident = formatIdent(request.params)
      request.subject = `${ident} as ${mark}`
      const { target } = await getRelease(db, ident, request.query.target, audienceOf(request.caller))
      const input = {
        ident,
        target,
        mark,
        ...(mark === 'yanked' && override !== undefined && { override: { reason: override } }),
      }
      const actor = actorOf(request, 'page')
      if (act === 'remove') await writer.submit({ kind: 'unmarkRelease', input, actor })
      else {
        if (reason === undefined)
          throw refusalOf('invalid_request', [{ pointer: '/reason', detail: 'is missing' }])
        await writer.submit({ kind: 'markRelease', input: { ...input, reason }, actor })
      }
      return reply.redirect(request.visit.to(releasePath(ident, target)), 303)
    },
  )
}

/** Route hook that rejects callers who are not maintainers of the origin. */
async function maintainersOnly(request: FastifyRequest): Promise<void> {
  signedInAs(request, 'maintainer', (request.params as { origin: string }).origin, 'manage')
}
