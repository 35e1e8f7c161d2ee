import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { DEPOT_ACTOR } from '../../../access/access.ts'
import type { Actor } from '../../../access/access.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import type { IdempotencyKey } from '../../../ledger/idempotency-store.ts'
import { findSigningKey, listOwnKeys } from '../../../lockfiles/depot-key-store.ts'
import type { OwnKey } from '../../../lockfiles/depot-key-store.ts'
import { depotKeyPurpose } from '../../../origins/secret-purposes.ts'
import { formatDepotKey, generateDepotKey } from '../../../lockfiles/depot-key.ts'
import type { DepotSecretKey } from '../../../lockfiles/depot-key.ts'
import { formatColumns, formatTime } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { KEY_FILE_RESPONSE, replyKeyFile } from './key-file-reply.ts'
import { DepotKeys, OwnKeyPath } from './shapes.ts'

const tags = ['lockfiles']

/** Routes for the depot's own keys. Everyone may read the public keys, because they verify lockfiles. */
export function depotKeyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/depot/keys',
    {
      ...shows('every-token'),
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
      await getOrMakeSigningKey(depot)
      return reply.send({ keys: (await listOwnKeys(depot.db)).map(wireOwnKey) })
    },
  )

  api.get(
    '/depot/keys/:key',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'getDepotKey',
        tags,
        summary: 'Downloads a public key of the depot',
        description: 'current is the signing key.',
        errors: ['not_found'],

        params: OwnKeyPath,
        response: KEY_FILE_RESPONSE,
      },
    },
    async (request, reply) => {
      const requested = request.params.key
      if (requested === 'current') await getOrMakeSigningKey(depot)
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
        description:
          'Administrators only. Lockfiles signed with earlier keys stay valid. With an Idempotency-Key, a repeated request makes no other key for seven days.',
        errors: ['forbidden', 'idempotency_mismatch'],

        headers: IdempotencyHeaders,
        response: answers(DepotKeys, 201),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const actor = actorOf(request, 'api')
      request.subject = `depot key ${await makeKey(depot, { isFirst: false, actor, ...idempotencyOf(request) })}`
      return reply.code(201).send({ keys: (await listOwnKeys(depot.db)).map(wireOwnKey) })
    },
  )
}

/** Returns the secret key that signs. Makes one if there is none; concurrent callers get the same key. */
export async function getOrMakeSigningKey(depot: Depot): Promise<DepotSecretKey> {
  if ((await findSigningKey(depot.db)) === undefined)
    await makeKey(depot, { isFirst: true, actor: DEPOT_ACTOR })
  const signing = await findSigningKey(depot.db)
  if (signing === undefined) throw new Error('the depot has no key although one was just made')
  const { id } = signing.key
  return { id, pem: depot.secrets.open(signing.sealed, depotKeyPurpose(id)) }
}

/**
 * Makes a key and returns its id. With `isFirst`, the key is dropped if the depot already has one, and the id
 * is that of the signing key. The actor of the first key must be the depot itself.
 */
async function makeKey(
  depot: Depot,
  { actor, ...input }: { isFirst: boolean; actor: Actor; idempotency?: IdempotencyKey },
): Promise<string> {
  const { publicKey, secretKey } = generateDepotKey()
  const sealed = depot.secrets.seal(secretKey.pem, depotKeyPurpose(publicKey.id))
  const { id } = await depot.writer.submit({
    kind: 'makeDepotKey',
    input: { publicKey: formatDepotKey(publicKey), sealed, ...input },
    actor,
  })
  return id
}

function wireOwnKey({ key, madeAt }: OwnKey): z.infer<typeof DepotKeys>['keys'][number] {
  return { key: key.id, made_at: wireTime(madeAt), file: formatDepotKey(key) }
}

function ownKeysText({ keys }: z.infer<typeof DepotKeys>): string {
  return formatColumns(
    ['KEY', 'MADE'],
    keys.map(({ key, made_at }) => [key, formatTime(Date.parse(made_at))]),
  )
}
