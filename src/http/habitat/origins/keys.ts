import type { FastifyInstance, FastifyReply } from 'fastify'
import { allowsAction, hasRole } from '../../../access/access.ts'
import { encryptionKeyPurpose, secretKeyPurpose } from '../../../origins/secret-purposes.ts'
import { DepotError } from '../../../errors.ts'
import { formatKeyName, parsePublicKey, parseSecretKey } from '../../../hart/origin-key.ts'
import type { KeyName } from '../../../hart/origin-key.ts'
import { generateEncryptionKey } from '../../../origins/encryption-key.ts'
import { makeOriginKey } from '../../../origins/new-key.ts'
import { findKey, findLatestKey, getOrigin, listKeyRevisions } from '../../../origins/origin-store.ts'
import type { StoredKey } from '../../../origins/origin-store.ts'
import { askerOf, upstreamOf } from '../../requests/ask-upstream.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { readText } from '../conventions/body.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { NO_CACHE, sendUncached } from '../conventions/replies.ts'
import { wireKeyLocation } from './shapes.ts'

const KEY_FILE = { what: 'the key file', maxBytes: 16 * 1024 }

/** Routes that read keys (habitat-today.md 1.9 and 3.3). Everyone may read public keys. */
export function keyReads(app: FastifyInstance, context: RouteContext, place: string): void {
  const { db } = context.depot
  app.get(`${place}/origins/:origin/keys`, shows('everyone'), async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    const list = async () => {
      const found = await listKeyRevisions(db, origin, 'public')
      return found.length === 0 ? undefined : found
    }
    const revisions = await orFromUpstream(context, request, list)
    return sendUncached(reply, revisions?.map((revision) => wireKeyLocation(origin, revision)) ?? [])
  })
  app.get(
    `${place}/origins/:origin/keys/latest`,
    shows('everyone'),
    async (request: HabitatRequest, reply) => {
      const { origin } = request.params
      const key = await orFromUpstream(context, request, () => findLatestKey(db, origin, 'public'))
      return replyKey(key, origin, 'pub', reply)
    },
  )
  app.get(
    `${place}/origins/:origin/keys/:revision`,
    shows('everyone'),
    async (request: HabitatRequest, reply) => {
      const { origin, revision } = request.params
      const key = await orFromUpstream(context, request, () => findKey(db, origin, 'public', revision))
      return replyKey(key, origin, 'pub', reply)
    },
  )
}

/** Finds keys; if there are none, records those of upstream and finds them again. */
async function orFromUpstream<Found>(
  context: RouteContext,
  request: HabitatRequest,
  find: () => Promise<Found | undefined>,
): Promise<Found | undefined> {
  const { origin, revision } = request.params as Partial<HabitatRequest['params']> & { origin: string }
  const found = await find()
  const upstream = upstreamOf(context, origin)
  if (found !== undefined || upstream === undefined) return found
  try {
    await upstream.fetchKeys(origin, revision, askerOf(request, origin))
  } catch (error) {
    if (!(error instanceof DepotError && error.code === 'not_found')) throw error
  }
  return find()
}

export function keyWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.post(`${mount}/origins/:origin/keys`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    const caller = signedInAs(request, 'administrator', origin, 'manage')
    const key = makeOriginKey(origin, { at: depot.now(), secrets: depot.secrets })
    const input = { origin, ownerId: caller.accountId, ...key }
    request.subject = `key ${origin}-${key.revision}`
    await depot.writer.submit({ kind: 'addKey', input, actor: actorOf(request, 'habitat') })
    return reply.code(201).send()
  })

  /**
   * `hab` posts the public key before each upload, so callers who may upload learn that the key exists.
   * Only administrators may add one, with a token that may manage.
   */
  app.post(`${mount}/origins/:origin/keys/:revision`, async (request: HabitatRequest, reply) => {
    const { origin, revision } = request.params
    const mayManage = request.caller !== undefined && allowsAction(request.caller, 'manage')
    const caller = signedInAs(request, 'member', origin, mayManage ? 'manage' : 'upload')
    if ((await findKey(depot.db, origin, 'public', revision)) !== undefined) {
      throw new DepotError('already_exists', `the key ${origin}-${revision} exists already`)
    }
    if (!hasRole(caller, origin, 'administrator'))
      throw new DepotError('key_upload_forbidden', `only an administrator of ${origin} may add a key to it`)
    if (!mayManage)
      throw new DepotError(
        'key_upload_forbidden',
        `this token may not manage, which adding a key to ${origin} needs`,
      )
    const publicBody = await readText(request, depot, KEY_FILE)
    expectName(parsePublicKey(publicBody), { origin, revision })
    request.subject = `key ${origin}-${revision}`
    await depot.writer.submit({
      kind: 'addKey',
      input: { origin, revision, ownerId: caller.accountId, publicBody },
      actor: actorOf(request, 'habitat'),
    })
    return reply
      .code(201)
      .header('location', `${request.publicPath}${request.url}`)
      .type('text/plain')
      .send(`/origins/${origin}/keys/${revision}`)
  })

  /**
   * Takes the revision from the body, because `hab` may put the origin's name into the path. `hab` accepts
   * only 200; other clients expect 201 (habitat-today.md 1.9).
   */
  app.post(`${mount}/origins/:origin/secret_keys/:revision`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    const caller = signedInAs(request, 'administrator', origin, 'manage')
    const text = await readText(request, depot, KEY_FILE)
    const { revision, ...key } = parseSecretKey(text)
    if (key.origin !== origin)
      throw new DepotError('secret_key_malformed', `the key belongs to ${key.origin}, not to ${origin}`)
    const secretBody = depot.secrets.seal(text, secretKeyPurpose(origin, revision))
    request.subject = `key ${origin}-${revision}`
    await depot.writer.submit({
      kind: 'addKey',
      input: { origin, revision, ownerId: caller.accountId, secretBody },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(request.headers['user-agent']?.startsWith('hab/') === true ? 200 : 201).send()
  })

  app.get(`${mount}/origins/:origin/secret_keys/latest`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    signedInAs(request, 'member', origin, 'read')
    const sealed = await findLatestKey(depot.db, origin, 'secret')
    const opened = sealed && {
      ...sealed,
      body: depot.secrets.open(sealed.body, secretKeyPurpose(origin, sealed.revision)),
    }
    return replyKey(opened, origin, 'sig.key', reply)
  })
}

/**
 * Route for the key that encrypts secrets. The key is made on first use; concurrent callers get the same key.
 */
export function encryptionKeyRoute(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin/encryption_key`, async (request: HabitatRequest, reply) => {
    const { accountId: ownerId } = signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const { name: origin } = await getOrigin(depot.db, request.params.origin)
    const key = await findLatestKey(depot.db, origin, 'box_public')
    if (key !== undefined) return replyKey(key, origin, 'pub', reply)
    const { revision, publicBody, secretBody } = generateEncryptionKey(origin, depot.now())
    const sealed = depot.secrets.seal(secretBody, encryptionKeyPurpose(origin, revision))
    const input = { origin, revision, ownerId, publicBody, secretBody: sealed }
    return replyKey(
      await depot.writer.submit({ kind: 'storeEncryptionKey', input, actor: actorOf(request, 'habitat') }),
      origin,
      'pub',
      reply,
    )
  })
}

function replyKey(
  key: StoredKey | undefined,
  origin: string,
  suffix: string,
  reply: FastifyReply,
): FastifyReply {
  if (key === undefined) throw new DepotError('not_found', `the origin ${origin} has no such key`)
  const fileName = `${origin}-${key.revision}.${suffix}`
  return reply
    .headers({
      'x-filename': fileName,
      'content-disposition': `attachment; filename="${fileName}"`,
      'cache-control': NO_CACHE,
    })
    .type('text/plain')
    .send(key.body)
}

/** Checks that a key has the name in the URL, because Habitat finds keys by name. */
function expectName(key: KeyName, expected: KeyName): void {
  if (key.origin === expected.origin && key.revision === expected.revision) return
  throw new DepotError('key_malformed', `the key is ${formatKeyName(key)}, not ${formatKeyName(expected)}`)
}
