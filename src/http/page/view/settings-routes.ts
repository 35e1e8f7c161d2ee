import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { getView } from '../../../revisions/view-store.ts'
import { Ungoverned } from '../../api/views/shapes.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { viewPath } from '../html/parts.ts'
import { OptionalNames, parseFields } from '../html/query.ts'
import { ReadDigest } from './read-field.ts'
import { settingsContent } from './settings-templates.ts'

const params = z.object({ view: z.string() })
const SettingsForm = z.object({ _csrf: z.string(), read: ReadDigest, ungoverned: OptionalNames })
const Settings = z.object({ ungoverned: Ungoverned })

/** Routes for the settings of a view other than its gates. */
export function settingsRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot
  const onRequest = administratorOnly

  const showForm = async (request: FastifyRequest, reply: FastifyReply) =>
    reply.page(settingsContent(request.visit, await getView(db, params.parse(request.params).view)))
  pages.get('/views/:view/settings', { schema: { params }, onRequest }, showForm)

  pages.post(
    '/views/:view/settings',
    { schema: { params, body: SettingsForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { view } = request.params
      const { read: readUngoverned } = request.body
      request.subject = `view ${view}`
      const { ungoverned } = parseFields(Settings, { ungoverned: request.body.ungoverned ?? [] })
      const input = { view, ungoverned, readUngoverned }
      await writer.submit({ kind: 'setView', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(viewPath(view)), 303)
    },
  )
}
