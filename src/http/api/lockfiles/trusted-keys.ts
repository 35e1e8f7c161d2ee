import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { findTrustedKey, listTrustedKeys } from '../../../lockfiles/depot-key-store.ts'
import type { TrustedKey as StoredKey } from '../../../lockfiles/depot-key-store.ts'
import { formatDepotKey, parseDepotKey } from '../../../lockfiles/depot-key.ts'
import { formatColumns, formatTime } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs } from '../../requests/rights.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { takeBodiesAsText } from '../conventions/text-body.ts'
import { wireTime } from '../conventions/wire.ts'
import { KEY_FILE_RESPONSE, replyKeyFile } from './key-file-reply.ts'
import { KeyFileText, TrustedKey, TrustedKeyPath, TrustedKeys } from './shapes.ts'

const tags = ['lockfiles']
const MAX_KEY_FILE_BYTES = 4_096

/**
 * Routes for the keys of other depots. Every signed-in caller may see them, because people carry lockfiles
 * between depots; only administrators may change them.
 */
export function trustedKeyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/depot/trusted-keys',
    {
      schema: {
        operationId: 'listTrustedKeys',
        tags,
        summary: 'Lists the trusted keys of other depots',
        description: 'For signed-in callers. Lockfiles signed with these keys are accepted.',
        errors: ['forbidden'],

        querystring: FormatQuery,
        response: textToo(TrustedKeys),
      },
      onRequest: needs('read'),
      preSerialization: orText(trustedKeysText),
    },
    async (_request, reply) =>
      reply.send({ trusted_keys: (await listTrustedKeys(depot.db)).map(wireTrustedKey) }),
  )

  api.get(
    '/depot/trusted-keys/:name',
    {
      schema: {
        operationId: 'getTrustedKey',
        tags,
        summary: 'Downloads a trusted key',
        description: 'For signed-in callers.',
        errors: ['forbidden', 'not_found'],

        params: TrustedKeyPath,
        response: KEY_FILE_RESPONSE,
      },
      onRequest: needs('read'),
    },
    async (request, reply) => {
      const found = await findTrustedKey(depot.db, request.params.name)
      if (found === undefined)
        throw new DepotError('not_found', `there is no trusted key ${request.params.name}`)
      return replyKeyFile(reply, formatDepotKey(found.key))
    },
  )

  void api.register(async (scope) => {
    takeBodiesAsText(scope, { maxBytes: MAX_KEY_FILE_BYTES })
    scope.withTypeProvider<ZodTypeProvider>().put(
      '/depot/trusted-keys/:name',
      {
        schema: {
          operationId: 'trustKey',
          tags,
          summary: 'Trusts the key of another depot',
          description:
            'Administrators only. The body is the key file, at most 4,096 bytes. At most 1,000 keys. Safe to repeat.',
          errors: ['conflict', 'forbidden', 'key_malformed'],

          consumes: ['text/plain'],
          params: TrustedKeyPath,
          body: KeyFileText,
          response: answers(TrustedKey),
        },
        onRequest: administratorOnly,
      },
      async (request, reply) => {
        const { name } = request.params
        const { id } = parseDepotKey(request.body)
        request.subject = `trusted key ${name}, ${id}`
        await depot.writer.submit({
          kind: 'trustKey',
          input: { name, publicKey: request.body },
          actor: actorOf(request, 'api'),
        })
        const trusted = await findTrustedKey(depot.db, name)
        if (trusted === undefined)
          throw new DepotError('not_found', `the trusted key ${name} was removed in the meantime`)
        return reply.send(wireTrustedKey(trusted))
      },
    )
  })

  api.delete(
    '/depot/trusted-keys/:name',
    {
      schema: {
        operationId: 'removeTrustedKey',
        tags,
        summary: 'Stops trusting the key of another depot',
        description: 'Administrators only.',
        errors: ['forbidden', 'not_found'],

        params: TrustedKeyPath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { name } = request.params
      request.subject = `trusted key ${name}`
      await depot.writer.submit({ kind: 'distrustKey', input: { name }, actor: actorOf(request, 'api') })
      return reply.code(204).send()
    },
  )
}

function wireTrustedKey({ name, key, addedAt }: StoredKey): z.infer<typeof TrustedKey> {
  return { name, key: key.id, added_at: wireTime(addedAt), file: formatDepotKey(key) }
}

function trustedKeysText({ trusted_keys }: z.infer<typeof TrustedKeys>): string {
  return formatColumns(
    ['NAME', 'KEY', 'ADDED'],
    trusted_keys.map(({ name, key, added_at }) => [name, key, formatTime(Date.parse(added_at))]),
  )
}
