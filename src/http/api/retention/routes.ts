import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { inspect } from '../../../blobs/damage.ts'
import { DepotError } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { findQuarantined, listQuarantined } from '../../../retention/quarantine-store.ts'
import { retirePage } from '../../../upkeep/retire-page.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs, signedInAs } from '../../requests/rights.ts'
import { cursorOf, cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery, ReleasePath, TargetQuery } from '../conventions/shapes.ts'
import { Quarantine, Returned, Run, RunBody, Verdicts, VerdictsQuery } from './shapes.ts'
import { quarantineText, returnedText, runText, verdictsText } from './text.ts'
import { CandidatePlace, describeVerdicts, expectFilter, judgesOnly } from './verdicts.ts'
import { wireQuarantined } from './wire.ts'

const tags = ['retention']
const QuarantinePlace = z.tuple([z.int(), z.int()])

/** Routes that say which releases go, remove them, and bring them back. */
export function retentionRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/retention/verdicts',
    {
      schema: {
        operationId: 'listRetentionVerdicts',
        tags,
        summary: 'Says of each release whether retention removes it, and why',
        description:
          'A dry run: nothing changes. For administrators, and with origin also for administrators of that origin. limit counts the releases that are examined, so with only, a page may have fewer or none although more pages follow.',
        errors: ['forbidden', 'ident_malformed'],

        querystring: VerdictsQuery,
        response: textToo(Verdicts),
      },
      onRequest: judgesOnly,
      preSerialization: orText(verdictsText),
    },
    async (request, reply) => {
      const { origin, name, only, limit } = request.query
      expectFilter({ origin, name })
      const listKey = { list: 'retention', origin, name }
      const after = placeIn(request.query, listKey, CandidatePlace)
      const { verdicts } = await depot.judge({ after, limit: limit + 1, origin, name })
      const { items, next } = cutPage(request, reply, {
        items: verdicts,
        listKey,
        placeOf: ({ release: { packageId, target, orderKey } }) => [packageId, target, orderKey],
      })
      const shown = items.filter(
        ({ reasons }) => only === undefined || (only === 'going') === (reasons.length === 0),
      )
      return reply.send({
        verdicts: await describeVerdicts(depot.db, shown, request.caller),
        freed_bytes: shown.reduce((sum, { freedBytes }) => sum + freedBytes, 0),
        next,
      })
    },
  )

  api.post(
    '/retention/runs',
    {
      schema: {
        operationId: 'runRetention',
        tags,
        summary: 'Removes what goes of a part of the releases',
        description:
          'Administrators only. Examines the next hundred releases, and removes those that go now. Their bytes stay in quarantine for DEPOT_QUARANTINE_DAYS. A release on which others depend goes after those, so repeat whole runs until one removes nothing. Safe to repeat.',
        errors: ['forbidden', 'ident_malformed', 'refused'],

        querystring: FormatQuery,
        body: RunBody,
        response: textToo(Run),
      },
      onRequest: administratorOnly,
      preSerialization: orText(runText),
    },
    async (request, reply) => {
      const { origin, name, cursor } = request.body
      expectFilter({ origin, name })
      request.subject = `retention${origin === undefined ? '' : ` of ${origin}`}`
      const listKey = { list: 'retention', origin, name }
      const after = placeIn({ cursor, limit: 0 }, listKey, CandidatePlace)
      const { quarantineMs } = depot.config
      const { retired, next } = await retirePage(
        { ...depot, quarantineMs },
        { after, origin, name },
        { isDaily: false, actor: actorOf(request, 'api') },
      )
      return reply.send({
        removed: retired.map(({ ident, target, freedBytes }) => ({ ident, target, freed_bytes: freedBytes })),
        freed_bytes: retired.reduce((sum, { freedBytes }) => sum + freedBytes, 0),
        cursor: next === undefined ? null : cursorOf(listKey, next),
      })
    },
  )

  api.get(
    '/retention/quarantine',
    {
      schema: {
        operationId: 'listQuarantine',
        tags,
        summary: 'Lists the releases that retention removed and that can return',
        description: 'For signed-in callers. Lists the releases that the caller may see.',
        errors: ['forbidden'],

        querystring: PageQuery,
        response: textToo(Quarantine),
      },
      onRequest: needs('read'),
      preSerialization: orText(quarantineText),
    },
    async (request, reply) => {
      const listKey = { list: 'quarantine' }
      const after = placeIn(request.query, listKey, QuarantinePlace)
      const page = { after, limit: request.query.limit + 1, now: depot.now() }
      const found = await listQuarantined(depot.db, page, audienceOf(request.caller))
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      return reply.send({ releases: items.map(wireQuarantined), next })
    },
  )

  api.post(
    '/releases/:origin/:name/:version/:release/return',
    {
      schema: {
        operationId: 'returnRelease',
        tags,
        summary: 'Brings a release back that retention removed',
        description:
          'For maintainers of the origin. Publishes the release again from the same bytes, with its visibility and its marks. It joins unstable and no other view. The target is x86_64-linux by default.',
        errors: ['already_exists', 'forbidden', 'not_found'],

        params: ReleasePath,
        querystring: TargetQuery.extend(FormatQuery.shape),
        response: textToo(Returned),
      },
      onRequest: maintainersOnly,
      preSerialization: orText(returnedText),
    },
    async (request, reply) => {
      const name = { ident: formatIdent(request.params), target: request.query.target ?? DEFAULT_TARGET }
      request.subject = name.ident
      const release = await findQuarantined(depot.db, name, depot.now())
      if (release !== undefined && (await inspect(depot.blobs.storage, release)).damage !== undefined)
        throw new DepotError(
          'not_found',
          `the bytes of ${name.ident} for ${name.target} are gone or damaged: upload it again`,
        )
      await depot.writer.submit({ kind: 'returnRelease', input: name, actor: actorOf(request, 'api') })
      return reply.send(name)
    },
  )
}

async function maintainersOnly(request: FastifyRequest): Promise<void> {
  signedInAs(request, 'maintainer', (request.params as { origin: string }).origin, 'manage')
}
