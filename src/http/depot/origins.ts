import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { DepotError } from '../../errors.ts'
import { findLatestKey, getOrigin } from '../../origins/origin-store.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { signedIn } from '../rights.ts'
import type { Asking } from './asked.ts'
import { readText } from './body.ts'
import { wireNewOrigin, wireOrigin } from './wire.ts'

const LARGEST_BODY_BYTES = 64 * 1024
const NewOrigin = z.object({ name: z.string() })

/** habitat-today.md 3.3; the answer of 2016 (habitat-2016.md 1.13) is within it. */
export function originReads(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.get(`${mount}/origins/:origin`, async (request: Asking, reply) => {
    const origin = await getOrigin(depot.db, request.params.origin)
    const secret = await findLatestKey(depot.db, origin.name, 'secret')
    const privateKeyName = secret === undefined ? null : `${origin.name}-${secret.revision}`
    return reply.type('application/json').send(JSON.stringify(wireOrigin(origin, privateKeyName)))
  })
}

export function originWrites(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.post(`${mount}/origins`, async (request: Asking, reply) => {
    const caller = signedIn(request, 'manage')
    const { originCreators } = depot.config
    if (!caller.isAdministrator && originCreators !== undefined && !originCreators.includes(caller.accountName)) {
      throw new DepotError('forbidden', `${caller.accountName} may not create origins`)
    }
    const { name } = parseBody(await readText(request, depot, { what: 'the origin', mostBytes: LARGEST_BODY_BYTES }))
    request.subject = `origin ${name}`
    const origin = await depot.writer.submit({ kind: 'createOrigin', input: { name, ownerId: caller.accountId }, actor: actorOf(request, 'habitat') })
    return reply.code(201).type('application/json').send(JSON.stringify(wireNewOrigin(origin)))
  })
}

function parseBody(text: string): z.infer<typeof NewOrigin> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new DepotError('invalid_request', 'the body is not JSON', { cause: error })
  }
  const parsed = NewOrigin.safeParse(json)
  if (!parsed.success) throw new DepotError('invalid_request', 'the body must be {"name": "ORIGIN"}')
  return parsed.data
}
