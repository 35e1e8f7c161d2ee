import type { FastifyInstance } from 'fastify'
import { originSecretPurpose } from '../../../origins/secret-purposes.ts'
import { listSecrets } from '../../../origins/origin-secret-store.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { readJson } from '../conventions/body.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import { NewSecret, wireSecret } from './shapes.ts'

/** Routes for the secrets of an origin, for administrators only (habitat-today.md 1.10 and 3.3). */
export function secretRoutes(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin/secret`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'administrator', request.params.origin, 'manage')
    const origin = await getOrigin(depot.db, request.params.origin)
    const secrets = await listSecrets(depot.db, origin.id)
    const opened = secrets.map((secret) =>
      wireSecret(secret, depot.secrets.open(secret.sealed, originSecretPurpose(origin.name, secret.name))),
    )
    return sendUncached(reply, opened)
  })

  app.post(`${mount}/origins/:origin/secret`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    const { accountId: ownerId } = signedInAs(request, 'administrator', origin, 'manage')
    const { name, value } = await readJson(request, depot, { what: 'the secret', shape: NewSecret })
    request.subject = `secret ${name} of ${origin}`
    const sealed = depot.secrets.seal(value, originSecretPurpose(origin, name))
    await depot.writer.submit({
      kind: 'addSecret',
      input: { origin, name, sealed, ownerId },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(201).send()
  })

  app.delete(`${mount}/origins/:origin/secret/:name`, async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    request.subject = `secret ${name} of ${origin}`
    signedInAs(request, 'administrator', origin, 'manage')
    await depot.writer.submit({
      kind: 'removeSecret',
      input: { origin, name },
      actor: actorOf(request, 'habitat'),
    })
    return reply.send()
  })
}
