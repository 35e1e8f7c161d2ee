import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DEPOT_ACTOR } from '../../../access/access.ts'
import type { Actor } from '../../../access/access.ts'
import type { Depot } from '../../../depot/open.ts'
import { DepotError } from '../../../errors.ts'
import {
  findSigningKey,
  findTrustedKey,
  listOwnKeys,
  listTrustedKeys,
  sealPurpose,
} from '../../../lockfiles/depot-key-store.ts'
import type { OwnKey, TrustedKey as Trusted } from '../../../lockfiles/depot-key-store.ts'
import { formatDepotKey, generateDepotKey, parseDepotKey } from '../../../lockfiles/depot-key.ts'
import type { DepotSecretKey } from '../../../lockfiles/depot-key.ts'
import { formatColumns, formatTime } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs } from '../../requests/rights.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { DepotKeys, KeyFileText, OwnKeyPath, TrustedKey, TrustedKeyPath, TrustedKeys } from './shapes.ts'

const tags = ['lockfiles']
const MAX_KEY_FILE_BYTES = 4_096
const keyFile = {
  200: { description: 'the key file', content: { 'text/plain': { schema: KeyFileText } } },
}

/** Routes for the depot's own keys. Everyone may read the public keys, because they verify lockfiles. */
export function depotKeyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/depot/keys',
    {
      schema: {
        operationId: 'listDepotKeys',
        tags,
        summary: 'Lists the keys with which the depot signs lockfiles',
        description: 'Public keys. The signing key comes first.',

        querystring: FormatQuery,
        response: textToo(DepotKeys),
      },
      preSerialization: orText(ownKeysText),
    },
    async (_request, reply) => {
      await signingKey(depot)
      return reply.send({ keys: (await listOwnKeys(depot.db)).map(wireOwnKey) })
    },
  )

  api.get(
    '/depot/keys/:key',
    {
      schema: {
        operationId: 'getDepotKey',
        tags,
        summary: 'Downloads a public key of the depot',
        description: 'current is the signing key.',
        errors: ['not_found'],

        params: OwnKeyPath,
        response: keyFile,
      },
    },
    async (request, reply) => {
      const requested = request.params.key
      if (requested === 'current') await signingKey(depot)
      const found =
        requested === 'current'
          ? await findSigningKey(depot.db)
          : (await listOwnKeys(depot.db)).find(({ key }) => key.id === requested)
      if (found === undefined) throw new DepotError('not_found', `this depot has no key ${requested}`)
      return replyKeyFile(reply, formatDepotKey(found.key))
    },
  )

  api.post(
    '/depot/keys',
    {
      schema: {
        operationId: 'createDepotKey',
        tags,
        summary: 'Creates a new signing key',
        description: 'Administrators only. Lockfiles signed with earlier keys stay valid.',
        errors: ['forbidden'],

        response: answers(DepotKeys, 201),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = `depot key ${await makeKey(depot, { isFirst: false, actor: actorOf(request, 'api') })}`
      return reply.code(201).send({ keys: (await listOwnKeys(depot.db)).map(wireOwnKey) })
    },
  )
}

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
        response: keyFile,
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
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      '*',
      { parseAs: 'string', bodyLimit: MAX_KEY_FILE_BYTES },
      (_request, body, done) => done(null, body),
    )
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

/** Returns the secret key that signs. Makes one if there is none; concurrent callers get the same key. */
export async function signingKey(depot: Depot): Promise<DepotSecretKey> {
  if ((await findSigningKey(depot.db)) === undefined)
    await makeKey(depot, { isFirst: true, actor: DEPOT_ACTOR })
  const signing = await findSigningKey(depot.db)
  if (signing === undefined) throw new Error('the depot has no key although one was just made')
  const { id } = signing.key
  return { id, pem: depot.secrets.open(signing.sealed, sealPurpose(id)) }
}

/** Makes a key and returns its id. The actor of the first key is the depot itself. */
async function makeKey(
  depot: Depot,
  { isFirst, actor }: { isFirst: boolean; actor: Actor },
): Promise<string> {
  const { publicKey, secretKey } = generateDepotKey()
  const sealed = depot.secrets.seal(secretKey.pem, sealPurpose(publicKey.id))
  await depot.writer.submit({
    kind: 'makeDepotKey',
    input: { publicKey: formatDepotKey(publicKey), sealed, isFirst },
    actor,
  })
  return publicKey.id
}

function replyKeyFile(reply: FastifyReply, file: string): FastifyReply {
  return reply
    .header('cache-control', 'no-cache')
    .type('text/plain; charset=utf-8')
    .serializer(String)
    .send(file)
}

function wireOwnKey({ key, madeAt }: OwnKey): z.infer<typeof DepotKeys>['keys'][number] {
  return { key: key.id, made_at: wireTime(madeAt), file: formatDepotKey(key) }
}

function wireTrustedKey({ name, key, addedAt }: Trusted): z.infer<typeof TrustedKey> {
  return { name, key: key.id, added_at: wireTime(addedAt), file: formatDepotKey(key) }
}

function ownKeysText({ keys }: z.infer<typeof DepotKeys>): string {
  return formatColumns(
    ['KEY', 'MADE'],
    keys.map(({ key, made_at }) => [key, formatTime(Date.parse(made_at))]),
  )
}

function trustedKeysText({ trusted_keys }: z.infer<typeof TrustedKeys>): string {
  return formatColumns(
    ['NAME', 'KEY', 'ADDED'],
    trusted_keys.map(({ name, key, added_at }) => [name, key, formatTime(Date.parse(added_at))]),
  )
}
