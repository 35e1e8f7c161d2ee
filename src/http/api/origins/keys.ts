import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { formatKeyName, parsePublicKey } from '../../../hart/origin-key.ts'
import { findKey, findLatestKey, getOrigin, listKeysBefore } from '../../../origins/origin-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery } from '../conventions/shapes.ts'
import { takeBodiesAsText } from '../conventions/text-body.ts'
import { page, timeText } from '../conventions/text.ts'
import { wireTime } from '../conventions/wire.ts'
import { KeyRevisionPath, OriginKey, OriginKeyPath, OriginKeyText, OriginKeys, OriginPath } from './shapes.ts'

const tags = ['origins']
export const MAX_KEY_FILE_BYTES = 16 * 1024

/** Routes for the public keys with which packages of an origin are signed. Everyone may read them. */
export function originKeyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins/:origin/keys',
    {
      ...shows('everyone'),
      schema: {
        operationId: 'listOriginKeys',
        tags,
        summary: 'Lists the public keys of an origin',
        description: 'Everyone may read them. Newest first.',
        errors: ['not_found'],

        params: OriginPath,
        querystring: PageQuery,
        response: textToo(OriginKeys),
      },
      preSerialization: orText(originKeysText),
    },
    async (request, reply) => {
      const { name: origin } = await getOrigin(depot.db, request.params.origin)
      const listKey = { list: 'keys', origin }
      const found = await listKeysBefore(depot.db, origin, 'public', {
        before: placeIn(request.query, listKey, z.string()),
        limit: request.query.limit + 1,
      })
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ revision }) => revision,
      })
      return reply.send({
        origin,
        keys: items.map(({ revision, addedAt }) => ({
          key: formatKeyName({ origin, revision }),
          revision,
          added_at: wireTime(addedAt),
        })),
        next,
      })
    },
  )

  api.get(
    '/origins/:origin/keys/:revision',
    {
      ...shows('everyone'),
      schema: {
        operationId: 'getOriginKey',
        tags,
        summary: 'Shows a public key of an origin',
        description: 'latest is the newest key. The text form is the key file.',
        errors: ['not_found'],

        params: OriginKeyPath,
        querystring: FormatQuery,
        response: textToo(OriginKey),
      },
      preSerialization: orText(({ file }: z.infer<typeof OriginKey>) => file.trimEnd()),
    },
    async (request, reply) => {
      const { name: origin } = await getOrigin(depot.db, request.params.origin)
      const { revision } = request.params
      const key =
        revision === 'latest'
          ? await findLatestKey(depot.db, origin, 'public')
          : await findKey(depot.db, origin, 'public', revision)
      if (key === undefined) throw new DepotError('not_found', `the origin ${origin} has no such key`)
      return reply.send(wireKey(origin, key))
    },
  )

  void api.register(async (scope) => {
    takeBodiesAsText(scope, { maxBytes: MAX_KEY_FILE_BYTES })
    scope.withTypeProvider<ZodTypeProvider>().put(
      '/origins/:origin/keys/:revision',
      {
        schema: {
          operationId: 'putOriginKey',
          tags,
          summary: 'Adds a public key to an origin',
          description:
            'Administrators of the origin only. The body is the key file. Answers 201 for a new key, and 200 if the origin has the same key already. A key never changes.',
          errors: ['already_exists', 'forbidden', 'key_malformed', 'not_found'],

          consumes: ['text/plain'],
          params: KeyRevisionPath,
          body: OriginKeyText,
          response: { ...answers(OriginKey), ...answers(OriginKey, 201) },
        },
        onRequest: needs('manage'),
      },
      async (request, reply) => {
        const { origin, revision } = request.params
        request.subject = `key ${formatKeyName({ origin, revision })}`
        const caller = signedInAs(request, 'administrator', origin, 'manage')
        const key = parsePublicKey(request.body)
        if (key.origin !== origin || key.revision !== revision)
          throw new DepotError(
            'key_malformed',
            `the key is ${formatKeyName(key)}, not ${formatKeyName({ origin, revision })}`,
          )
        const before = await findKey(depot.db, origin, 'public', revision)
        if (before !== undefined && parsePublicKey(before.body).raw.equals(key.raw))
          return reply.send(wireKey(origin, before))
        await depot.writer.submit({
          kind: 'addKey',
          input: { origin, revision, ownerId: caller.accountId, publicBody: request.body },
          actor: actorOf(request, 'api'),
        })
        return reply
          .code(201)
          .header(
            'location',
            `${request.publicPath}/api/v1/origins/${encodeURIComponent(origin)}/keys/${revision}`,
          )
          .send(wireKey(origin, { revision, body: request.body }))
      },
    )
  })
}

function wireKey(
  origin: string,
  { revision, body }: { revision: string; body: string },
): z.infer<typeof OriginKey> {
  return { key: formatKeyName({ origin, revision }), origin, revision, file: body }
}

function originKeysText({ keys, next }: z.infer<typeof OriginKeys>): string {
  return page(
    ['KEY', 'ADDED'],
    keys.map(({ key, added_at }) => [key, timeText(added_at)]),
    next,
  )
}
