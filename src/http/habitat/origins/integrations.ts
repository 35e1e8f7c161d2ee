import type { FastifyInstance } from 'fastify'
import { integrationPurpose } from '../../../origins/secret-purposes.ts'
import { DepotError } from '../../../errors.ts'
import { findIntegration, listIntegrations } from '../../../origins/integration-store.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { readJson } from '../conventions/body.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import type { Json } from '../conventions/shapes.ts'
import { IntegrationBody, wireIntegration, wireIntegrations } from './shapes.ts'

/**
 * Routes that read integrations (habitat-today.md 6, Integrations). The depot stores integrations for their
 * owners, and never uses them.
 */
export function integrationReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin/integrations`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const integrations = await listIntegrations(depot.db, origin.id)
    return sendUncached(reply, wireIntegrations(integrations))
  })

  app.get(`${mount}/origins/:origin/integrations/:type/names`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const integrations = await listIntegrations(depot.db, origin.id)
    const names = integrations.filter(({ type }) => type === request.params.type).map(({ name }) => name)
    return sendUncached(reply, { names })
  })

  app.get(`${mount}/origins/:origin/integrations/:type/:name`, async (request: HabitatRequest, reply) => {
    const { type, name } = request.params
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const sealed = await findIntegration(depot.db, origin.id, { type, name })
    if (sealed === undefined)
      throw new DepotError('not_found', `${origin.name} has no integration ${type}/${name}`)
    const body = JSON.parse(
      depot.secrets.open(sealed, integrationPurpose(origin.name, { type, name })),
    ) as Json<typeof IntegrationBody>
    return sendUncached(reply, wireIntegration(origin.name, { type, name }, body))
  })
}

export function integrationWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.put(`${mount}/origins/:origin/integrations/:type/:name`, async (request: HabitatRequest, reply) => {
    const { origin, type, name } = request.params
    request.subject = `integration ${type}/${name} of ${origin}`
    signedInAs(request, 'maintainer', origin, 'manage')
    const body = await readJson(request, depot, { what: 'the integration', shape: IntegrationBody })
    const sealed = depot.secrets.seal(JSON.stringify(body), integrationPurpose(origin, { type, name }))
    await depot.writer.submit({
      kind: 'addIntegration',
      input: { origin, type, name, sealed },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(201).send()
  })

  app.delete(`${mount}/origins/:origin/integrations/:type/:name`, async (request: HabitatRequest, reply) => {
    const { origin, type, name } = request.params
    request.subject = `integration ${type}/${name} of ${origin}`
    signedInAs(request, 'maintainer', origin, 'manage')
    await depot.writer.submit({
      kind: 'removeIntegration',
      input: { origin, type, name },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })
}
