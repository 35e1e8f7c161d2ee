import type { FastifyInstance } from 'fastify'
import { findLatestKey, getOrigin } from '../../../origins/origin-store.ts'
import { actorOf } from '../../requests/request.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayCreateOrigins, signedInAs } from '../../requests/rights.ts'
import { readJson } from '../conventions/body.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendJson } from '../conventions/replies.ts'
import { ChangedOrigin, NewOrigin, wireCreatedOrigin, wireOrigin } from './shapes.ts'

/**
 * Routes that read origins (habitat-today.md 3.3). The answer also has all fields of the answer of 2016
 * (habitat-2016.md 1.13).
 */
export function originReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin`, shows('origin'), async (request: HabitatRequest, reply) => {
    const origin = await getOrigin(depot.db, request.params.origin)
    const secret = await findLatestKey(depot.db, origin.name, 'secret')
    const privateKeyName = secret === undefined ? null : `${origin.name}-${secret.revision}`
    return sendJson(reply, wireOrigin(origin, privateKeyName))
  })
}

export function originWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.post(`${mount}/origins`, async (request: HabitatRequest, reply) => {
    const caller = expectMayCreateOrigins(request, depot.config)
    const { name, default_package_visibility: defaultVisibility } = await readJson(request, depot, {
      what: 'the origin',
      shape: NewOrigin,
    })
    request.subject = `origin ${name}`
    const input = { name, ownerId: caller.accountId, ...(defaultVisibility && { defaultVisibility }) }
    const origin = await depot.writer.submit({
      kind: 'createOrigin',
      input,
      actor: actorOf(request, 'habitat'),
    })
    return sendJson(reply.code(201), wireCreatedOrigin(origin))
  })

  app.put(`${mount}/origins/:origin`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    request.subject = `origin ${origin}`
    signedInAs(request, 'administrator', origin, 'manage')
    const { default_package_visibility: defaultVisibility } = await readJson(request, depot, {
      what: 'the origin',
      shape: ChangedOrigin,
    })
    await depot.writer.submit({
      kind: 'changeOrigin',
      input: { origin, defaultVisibility },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })

  app.delete(`${mount}/origins/:origin`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    request.subject = `origin ${origin}`
    signedInAs(request, 'owner', origin, 'manage')
    await depot.writer.submit({ kind: 'deleteOrigin', input: { origin }, actor: actorOf(request, 'habitat') })
    return reply.code(204).send()
  })
}
