import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { getAccount, getToken } from '../../../accounts/account-store.ts'
import { listIdentities } from '../../../accounts/identity-store.ts'
import { DepotError } from '../../../errors.ts'
import type { Person } from '../../../signin/person.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf, clientOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { SingleSignOn } from '../../requests/single-sign-on.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import {
  DeviceAuthorization,
  DeviceCode,
  DeviceToken,
  Identities,
  IdentityPath,
  IdentityQuery,
  NewIdentity,
} from './shapes.ts'
import { identitiesText } from './text.ts'

const tags = ['sign-in']

/**
 * Routes for the single sign-on of people, and for the bindings of accounts to people. Rejects with
 * `invalid_request` if the client secret of the settings cannot be read.
 */
export async function peopleRoutes(app: FastifyInstance, { depot }: RouteContext): Promise<void> {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const { config, writer, db } = depot
  const signOn = await SingleSignOn.open(depot)

  async function issue(person: Person, client: string): Promise<z.infer<typeof DeviceToken>> {
    const { token, tokenId, account } = await signOn.issue(person, client)
    const { expiresAt } = await getToken(db, tokenId)
    return { state: 'done', token, account, expires_at: wireTime(expiresAt), groups: [...person.groups] }
  }

  api.post(
    '/device-authorizations',
    {
      ...shows('everyone'),
      schema: {
        operationId: 'startDeviceSignIn',
        tags,
        summary: 'Begins a sign-in of a person',
        description:
          'Needs no token. The person opens the URL in any browser, enters the code and signs in there. Meanwhile, the program asks for the token with the device code (RFC 8628).',
        errors: ['issuer_unavailable', 'not_found'],

        response: answers(DeviceAuthorization, 201),
      },
    },
    async (_request, reply) => {
      const started = await signOn.ask((provider) => provider.startDevice())
      return reply
        .code(201)
        .headers(NO_STORE)
        .send({
          device_code: started.deviceCode,
          user_code: started.userCode,
          verification_url: started.verificationUrl,
          complete_url: started.completeUrl ?? null,
          expires_seconds: started.expiresInS,
          interval_seconds: started.intervalS,
        })
    },
  )

  api.post(
    '/device-tokens',
    {
      ...shows('everyone'),
      schema: {
        operationId: 'finishDeviceSignIn',
        tags,
        summary: 'Asks for the token of a person who signs in',
        description:
          'Needs no token. Repeat this request at the given interval while the state is pending. After each slow_down, wait five seconds longer between all further requests. The token is valid for twelve hours.',
        errors: ['conflict', 'forbidden', 'issuer_unavailable', 'not_found'],

        body: DeviceCode,
        response: answers(DeviceToken),
      },
    },
    async (request, reply) => {
      const result = await signOn.ask((provider) => provider.finishDevice(request.body.device_code))
      reply.headers(NO_STORE)
      if (typeof result === 'string')
        return reply.send({ state: result, token: null, account: null, expires_at: null, groups: null })
      request.subject = `${result.subject} of ${result.issuer}`
      return reply.send(await issue(result, clientOf(request.headers)))
    },
  )

  api.get(
    '/accounts/:account/identities',
    {
      schema: {
        operationId: 'listIdentities',
        tags,
        summary: 'Lists the people who are bound to an account',
        description: 'Administrators only.',
        errors: ['forbidden', 'not_found'],

        params: IdentityPath,
        querystring: FormatQuery,
        response: textToo(Identities),
      },
      onRequest: administratorOnly,
      preSerialization: orText(identitiesText),
    },
    async (request, reply) => {
      const { id, name } = await getAccount(db, request.params.account)
      const found = await listIdentities(db, id)
      return reply.headers(NO_STORE).send({
        account: name,
        identities: found.map(({ issuer, subject, createdAt }) => ({
          issuer,
          subject,
          created_at: wireTime(createdAt),
        })),
      })
    },
  )

  api.put(
    '/accounts/:account/identities',
    {
      schema: {
        operationId: 'bindIdentity',
        tags,
        summary: 'Binds an account to a person',
        description:
          'Administrators only, with a token that is not narrowed. The person can then sign in as the account. Safe to repeat.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: IdentityPath,
        body: NewIdentity,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { account } = request.params
      const identity = withIssuer(request.body)
      request.subject = `${account} bound to ${identity.subject} of ${identity.issuer}`
      await writer.submit({
        kind: 'bindIdentity',
        input: { account, ...identity },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )

  api.delete(
    '/accounts/:account/identities',
    {
      schema: {
        operationId: 'unbindIdentity',
        tags,
        summary: 'Ends the binding of an account to a person',
        description: "Administrators only. The person's tokens stay valid until they expire or are revoked.",
        errors: ['forbidden', 'not_found'],

        params: IdentityPath,
        querystring: IdentityQuery,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { account } = request.params
      const identity = withIssuer(request.query)
      request.subject = `${account} no longer bound to ${identity.subject} of ${identity.issuer}`
      await writer.submit({
        kind: 'unbindIdentity',
        input: { account, ...identity },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )

  /** Returns an identity, with the depot's single sign-on as the default issuer. Throws `invalid_request`. */
  function withIssuer({ issuer = config.singleSignOn?.issuer, subject }: z.infer<typeof NewIdentity>) {
    if (issuer !== undefined) return { issuer, subject }
    throw new DepotError('invalid_request', 'this depot has no single sign-on, so name the issuer', {
      parts: [{ detail: 'is missing', pointer: '/issuer' }],
    })
  }
}
