import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { DepotError } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import type { Depot } from '../../depot.ts'
import { parseIdent } from '../../package/ident.ts'
import { DEFAULT_TARGET } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { listTargets } from '../../releases/release-store.ts'
import { getView } from '../../views/view-store.ts'
import type { PromotionInput } from '../../views/promote.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { mayPromote, needs } from '../rights.ts'
import { answers } from './answers.ts'
import { PromotionAnswer, PromotionBody, PromotionHeaders, ViewPath } from './shapes.ts'
import { wirePromotion } from './wire.ts'

const tags = ['promotions']

/** What of a request says what to promote. */
interface Asked {
  readonly method: string
  readonly url: string
  readonly body: z.infer<typeof PromotionBody>
  readonly headers: z.infer<typeof PromotionHeaders>
}

export function promotionRoutes(app: FastifyInstance, { depot }: Door): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const routes = [
    ['/views/:view/promotions', 'promote', 'Promote releases into a view: all of them, in one revision, or none'],
    ['/views/:view/demotions', 'demote', 'Take releases out of a view: all of them, in one revision, or none'],
  ] as const
  for (const [url, kind, summary] of routes) {
    const schema = { tags, summary, params: ViewPath, body: PromotionBody, headers: PromotionHeaders, response: answers(PromotionAnswer) }
    api.post(url, { schema, onRequest: needs('promote') }, async (request, reply) => {
      const { name } = await getView(depot.db, request.params.view)
      const { releases } = request.body
      request.subject = `${kind} ${releases[0]?.ident ?? ''}${releases.length > 1 ? ` and ${releases.length - 1} more` : ''}, ${name}`
      for (const { ident } of releases) mayPromote(request, parseIdent(ident).origin, name)
      const input = await inputOf(depot, { method: request.method, url: request.url, body: request.body, headers: request.headers }, name)
      const outcome = await depot.writer.submit({ kind, input, actor: actorOf(request, 'api') })
      return reply.header('etag', `"${outcome.revision}"`).send(wirePromotion(outcome))
    })
  }
}

async function inputOf(depot: Depot, asked: Asked, view: string): Promise<PromotionInput> {
  const { releases, reason } = asked.body
  const expectRevision = expectedRevision(asked)
  const key = asked.headers['idempotency-key']
  return {
    view,
    releases: await withTargets(depot, releases),
    ...(reason !== undefined && { reason }),
    ...(expectRevision !== undefined && { expectRevision }),
    ...(key !== undefined && { idempotency: { key, requestHash: hashOf(asked, expectRevision) } }),
  }
}

/** The body was parsed, and so has its fields in the schema's order: it is canonical as it is. */
function hashOf(asked: Asked, expectRevision: number | undefined): string {
  const question = JSON.stringify({ ...asked.body, expect_revision: expectRevision })
  return createHash('sha256').update(`${asked.method} ${asked.url}\n${question}`).digest('hex')
}

/** The body's, or that of `If-Match: "12"`. Throws `invalid_request` for another tag, and where the two disagree. */
function expectedRevision(asked: Asked): number | undefined {
  const header = asked.headers['if-match']?.trim()
  const { expect_revision: expected } = asked.body
  if (header === undefined || header === '*') return expected
  const [, digits] = /^"(\d{1,15})"$/.exec(header) ?? []
  if (digits === undefined) throw new DepotError('invalid_request', 'If-Match must be the entity tag of the view, as "12"')
  if (expected !== undefined && expected !== Number(digits)) throw new DepotError('invalid_request', 'If-Match and expect_revision name different revisions')
  return Number(digits)
}

/** A release named without a target is that for `x86_64-linux` or, failing it, the only one. Throws `invalid_request` where there are several others. */
async function withTargets(depot: Depot, releases: z.infer<typeof PromotionBody>['releases']): Promise<{ ident: string; target: Target }[]> {
  const named: { ident: string; target: Target }[] = []
  const unclear: ErrorPart[] = []
  for (const [index, { ident, target }] of releases.entries()) {
    const targets = target === undefined ? await listTargets(depot.db, ident) : [target]
    const [first = DEFAULT_TARGET] = targets
    if (targets.length > 1 && !targets.includes(DEFAULT_TARGET)) {
      unclear.push({ detail: `${ident} is there for ${targets.join(', ')}: say which target`, pointer: `/releases/${index}/target` })
    }
    named.push({ ident, target: targets.includes(DEFAULT_TARGET) ? DEFAULT_TARGET : first })
  }
  if (unclear.length > 0) throw new DepotError('invalid_request', unclear.map(({ detail }) => detail).join('; '), { parts: unclear })
  return named
}
