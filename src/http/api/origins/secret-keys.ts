import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { secretKeyPurpose } from '../../../origins/secret-purposes.ts'
import { DepotError } from '../../../errors.ts'
import { formatKeyName, parseSecretKey } from '../../../hart/origin-key.ts'
import { findKey, findLatestKey, getOrigin } from '../../../origins/origin-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs } from '../../requests/rights.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { takeBodiesAsText } from '../conventions/text-body.ts'
import { MAX_KEY_FILE_BYTES } from './keys.ts'
import {
  KeyRevisionPath,
  OriginPath,
  OriginSecretKey,
  OriginSecretKeyText,
  StoredSecretKey,
} from './shapes.ts'

const tags = ['origins']

/** Routes for the secret keys with which members sign packages of an origin. */
export function originSecretKeyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins/:origin/secret-keys/latest',
    {
      schema: {
        operationId: 'getOriginSecretKey',
        tags,
        summary: 'Shows the newest secret key of an origin',
        description: 'For members who may upload, who sign packages with it. The text form is the key file.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: FormatQuery,
        response: textToo(OriginSecretKey),
      },
      onRequest: needs('read'),
      preSerialization: orText(({ file }: z.infer<typeof OriginSecretKey>) => file.trimEnd()),
    },
    async (request, reply) => {
      const { name: origin } = await getOrigin(depot.db, request.params.origin)
      signedInAs(request, 'member', origin, 'read')
      const key = await findLatestKey(depot.db, origin, 'secret')
      if (key === undefined) throw new DepotError('not_found', `the depot has no secret key of ${origin}`)
      const { revision } = key
      const file = depot.secrets.open(key.body, secretKeyPurpose(origin, revision))
      return reply
        .headers(NO_STORE)
        .send({ key: formatKeyName({ origin, revision }), revision, origin, file })
    },
  )

  void api.register(async (scope) => {
    takeBodiesAsText(scope, { maxBytes: MAX_KEY_FILE_BYTES })
    scope.withTypeProvider<ZodTypeProvider>().put(
      '/origins/:origin/secret-keys/:revision',
      {
        schema: {
          operationId: 'putOriginSecretKey',
          tags,
          summary: 'Stores a secret key of an origin for its members',
          description:
            'Administrators of the origin only. The body is the key file, which the depot encrypts. Answers 201 for a new key, and 200 if the depot has the same key already. A key never changes.',
          errors: ['already_exists', 'forbidden', 'secret_key_malformed', 'not_found'],

          consumes: ['text/plain'],
          params: KeyRevisionPath,
          body: OriginSecretKeyText,
          response: { ...answers(StoredSecretKey), ...answers(StoredSecretKey, 201) },
        },
        onRequest: needs('manage'),
      },
      async (request, reply) => {
        const { origin, revision } = request.params
        const name = formatKeyName({ origin, revision })
        request.subject = `secret key ${name}`
        const caller = signedInAs(request, 'administrator', origin, 'manage')
        const key = parseSecretKey(request.body)
        if (key.origin !== origin || key.revision !== revision)
          throw new DepotError('secret_key_malformed', `the key is ${formatKeyName(key)}, not ${name}`)
        const purpose = secretKeyPurpose(origin, revision)
        const before = await findKey(depot.db, origin, 'secret', revision)
        if (before !== undefined && depot.secrets.open(before.body, purpose) === request.body)
          return reply.headers(NO_STORE).send({ key: name, revision, origin })
        await depot.writer.submit({
          kind: 'addKey',
          input: {
            origin,
            revision,
            ownerId: caller.accountId,
            secretBody: depot.secrets.seal(request.body, purpose),
          },
          actor: actorOf(request, 'api'),
        })
        return reply.code(201).headers(NO_STORE).send({ key: name, revision, origin })
      },
    )
  })
}
