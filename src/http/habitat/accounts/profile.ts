import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session } from '../../../access/access.ts'
import { expectOwnAccount, expectMayManageTokens } from '../../../access/rights.ts'
import { getAccountById } from '../../../accounts/account-store.ts'
import { findProfileToken } from '../../../accounts/profile-token-store.ts'
import { generateToken, hashToken } from '../../../accounts/token.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedIn } from '../../requests/rights.ts'
import { readJson } from '../conventions/body.ts'
import { idOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import { ChangedProfile, wireProfile, wireToken } from './shapes.ts'

/** Routes for the caller's account (habitat-today.md 3.4 and 6, Profile). */
export function profileRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/profile', async (request: HabitatRequest, reply) => {
    const account = await getAccountById(depot.db, signedIn(request, 'read').accountId)
    return sendUncached(reply, wireProfile(account))
  })

  app.patch('/profile', async (request: HabitatRequest, reply) => {
    const caller = signedIn(request, 'manage')
    const { accountId } = caller
    expectOwnAccount(caller, accountId)
    const { email } = await readJson(request, depot, { what: 'the profile', shape: ChangedProfile })
    await depot.writer.submit({
      kind: 'changeEmail',
      input: { accountId, email },
      actor: actorOf(request, 'habitat'),
    })
    return reply.send()
  })
}

/**
 * Routes for the profile token. Each account has one token made here; a new one replaces it. Tokens from
 * `hart-depot token add` are not affected.
 */
export function profileTokenRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/profile/access-tokens', async (request: HabitatRequest, reply) => {
    const token = await findProfileToken(depot.db, signedIn(request, 'read').accountId)
    const tokens = token === undefined ? [] : [wireToken(token)]
    return sendUncached(reply, { tokens })
  })

  app.post('/profile/access-tokens', async (request: HabitatRequest, reply) => {
    const { accountId, expiresAt } = signedInUnnarrowed(request)
    const token = generateToken()
    const input = { accountId, hash: hashToken(token), ...(expiresAt !== undefined && { expiresAt }) }
    const made = await depot.writer.submit({
      kind: 'replaceProfileToken',
      input,
      actor: actorOf(request, 'habitat'),
    })
    return sendUncached(reply, wireToken(made, token))
  })

  app.delete('/profile/access-tokens/:id', async (request: HabitatRequest, reply) => {
    const { accountId } = signedInUnnarrowed(request)
    const tokenId = idOf(request)
    await depot.writer.submit({
      kind: 'revokeOwnToken',
      input: { accountId, tokenId },
      actor: actorOf(request, 'habitat'),
    })
    return reply.send()
  })
}

/** Returns the caller. Throws `forbidden` for a narrowed token, which must not make a wider one. */
function signedInUnnarrowed(request: FastifyRequest): Session {
  const caller = signedIn(request, 'manage')
  expectMayManageTokens(caller, caller.accountId)
  return caller
}
