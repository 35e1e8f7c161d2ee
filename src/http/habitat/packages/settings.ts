import type { FastifyInstance } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { formatPackageName } from '../../../package/ident.ts'
import { findSettings, listSettings } from '../../../releases/settings-store.ts'
import { actorOf } from '../../requests/request.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { readJson } from '../conventions/body.ts'
import { offsetOf, pageAt } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendJson, sendPage, sendUncached } from '../conventions/replies.ts'
import { ChangedSettings, wireSettings } from './shapes.ts'

/**
 * Route that lists the settings of an origin's packages, which Builder calls "unique names of an origin"
 * (habitat-today.md 3.1 and 6, Settings).
 */
export function settingsList(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/depot/:origin/pkgs', shows('origin'), async (request: HabitatRequest, reply) => {
    const offset = offsetOf(request)
    return sendPage(
      reply,
      await listSettings(depot.db, request.params.origin, pageAt(offset), audienceOf(request.caller)),
      offset,
      wireSettings,
    )
  })
}

/** Routes for the settings of a package (habitat-today.md 3.4 and 6, Settings). */
export function settingsRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/settings/:origin/:name', async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    signedInAs(request, 'readonly_member', origin, 'read')
    const settings = await findSettings(depot.db, origin, name)
    if (settings === undefined)
      throw new DepotError('not_found', `${formatPackageName(request.params)} has no settings`)
    return sendUncached(reply, wireSettings(settings))
  })

  app.post('/settings/:origin/:name', async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    request.subject = `settings of ${formatPackageName(request.params)}`
    const { accountId: ownerId } = signedInAs(request, 'maintainer', origin, 'manage')
    const settings = await depot.writer.submit({
      kind: 'makeSettings',
      input: { origin, name, ownerId },
      actor: actorOf(request, 'habitat'),
    })
    return sendJson(reply.code(201), wireSettings(settings))
  })

  app.put('/settings/:origin/:name', async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    request.subject = `settings of ${formatPackageName(request.params)}`
    signedInAs(request, 'maintainer', origin, 'manage')
    const { visibility } = await readJson(request, depot, { what: 'the settings', shape: ChangedSettings })
    const settings = await depot.writer.submit({
      kind: 'changeSettings',
      input: { origin, name, visibility },
      actor: actorOf(request, 'habitat'),
    })
    return sendJson(reply, wireSettings(settings))
  })

  app.delete('/settings/:origin/:name', async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    request.subject = `settings of ${formatPackageName(request.params)}`
    signedInAs(request, 'maintainer', origin, 'manage')
    await depot.writer.submit({
      kind: 'removeSettings',
      input: { origin, name },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })
}
