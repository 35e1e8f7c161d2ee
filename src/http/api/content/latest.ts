import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { LatestAnswer } from '../../../answers/answers.ts'
import type { LatestQuestion } from '../../../answers/question.ts'
import { DepotError } from '../../../errors.ts'
import { lineTopic, viewTopic } from '../../../following/feed.ts'
import type { WakeReason, WatchOptions } from '../../../following/feed.ts'
import { expectRevisionKnown } from '../../../ledger/position-store.ts'
import { POSITION, parsePosition } from '../../../ledger/position.ts'
import type { Position } from '../../../ledger/position.ts'
import { formatPackageName, packageOf } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { getView } from '../../../revisions/view-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { isKnown, replyTagged, tagOf } from '../conventions/entity-tags.ts'
import { deadlineOf, longPoll } from '../conventions/long-poll.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, LinePath, TargetQuery, Wait } from '../conventions/shapes.ts'
import { Latest, VersionPath } from './shapes.ts'
import { latestText } from './text.ts'

const LatestQuery = TargetQuery.extend({
  ...FormatQuery.shape,
  min_revision: z
    .string()
    .regex(POSITION, 'must be a revision, or a revision_id such as 12-9c0f1b2a3d4e5f60')
    .optional()
    .describe(
      'answers 412 while the view is older than this revision; with wait, waits for it first. A revision_id of another history gets 409 other_history',
    ),
  wait: Wait.describe(
    'the most seconds (decimals allowed) to wait until latest differs from the entity tag in If-None-Match',
  ),
})

const ROUTES = [
  ['/views/:view/latest/:origin/:name', LinePath, 'getLatest', 'Shows the latest release of a package'],
  [
    '/views/:view/latest/:origin/:name/:version',
    VersionPath,
    'getLatestOfVersion',
    'Shows the latest release of one version',
  ],
] as const

export function latestRoutes(app: FastifyInstance, context: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  for (const [url, params, operationId, summary] of ROUTES) {
    const schema = {
      operationId,
      tags: ['content of views'],
      summary,
      description:
        'Answered from memory. Without target, for x86_64-linux. With wait, the answer comes when the entity tag differs from If-None-Match, or is 304 when the time is over. With min_revision, the answer is of this revision or a later one.',
      errors: ['not_found', 'other_history', 'stale_revision'] as const,
      params,
      querystring: LatestQuery,
      response: textToo(Latest),
    }
    const options = { ...shows('origin-in-view'), schema, preSerialization: orText(latestText) }
    api.get(url, options, async (request, reply) => {
      const { target = DEFAULT_TARGET, min_revision: minRevision = '0', wait } = request.query
      const answer = await findOrAwaitLatest(
        context,
        { request, reply },
        {
          question: { shape: 'brief', ...request.params, target },
          minRevision: parsePosition(minRevision),
          deadline: deadlineOf(wait),
        },
      )
      return replyTagged(request, reply, {
        tag: latestTag(request, answer),
        body: wireLatest(answer, request.params.view),
      })
    })
  }
}

interface LatestRequest {
  readonly question: LatestQuestion
  /** The revision that the view must have reached. */
  readonly minRevision: Position
  readonly deadline: number | undefined
}

/**
 * Finds the latest release. With a deadline, waits until the view has reached the revision and the release
 * differs from the one that the client has. Throws `not_found`, `other_history`, `stale_revision` if the view
 * does not reach the revision in time, and the errors of {@link longPoll}.
 */
async function findOrAwaitLatest(
  context: RouteContext,
  exchange: { request: FastifyRequest; reply: FastifyReply },
  { question, minRevision, deadline }: LatestRequest,
): Promise<LatestAnswer> {
  const { depot, answers, feed } = context
  const { request } = exchange
  const { view, origin, name, version, target } = question
  for (let reason: WakeReason = 'committed'; ;) {
    const after = feed.head.sequence // read first, so that no later commit is missed
    const mayWait = deadline !== undefined && reason === 'committed'
    let waiting: WatchOptions
    if (minRevision.mark !== undefined)
      await expectRevisionKnown(depot.db, await getView(depot.db, view), minRevision)
    if (answers.revisionOf(view).number < minRevision.number) {
      await getView(depot.db, view) // throws for an unknown view, which memory takes for an empty one
      if (!mayWait)
        throw new DepotError(
          'stale_revision',
          `${view} is at revision ${answers.revisionOf(view).number}, not yet at ${minRevision.number}`,
        )
      // Entries of other kinds, for example that the view was closed, may change the answer, too.
      waiting = {
        topic: viewTopic(view),
        wants: ({ event }) => event.kind !== 'promotion' || event.revision >= minRevision.number,
      }
    } else {
      const answer = await answers.latest(question, audienceOf(request.caller))
      if (answer === undefined)
        throw new DepotError(
          'not_found',
          `${view} has no ${[origin, name, version].filter((part) => part !== undefined).join('/')} for ${target}`,
        )
      if (!mayWait || !isKnown(request, latestTag(request, answer))) return answer
      waiting = {
        topic: lineTopic(formatPackageName({ origin, name }), target),
        wants: ({ event }) => event.kind !== 'promotion' || event.view === view,
      }
    }
    reason = await longPoll(context, exchange, { ...waiting, after, deadline })
  }
}

function latestTag(request: FastifyRequest, { revision, package: { checksum } }: LatestAnswer): string {
  return tagOf(request, revision ?? '', checksum)
}

function wireLatest(
  { package: { ident, target, checksum }, revision }: LatestAnswer,
  view: string,
): z.infer<typeof Latest> {
  return { view, package: packageOf(ident), target, ident, checksum, revision: revision ?? null }
}
