import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { getToken } from '../../../accounts/account-store.ts'
import { generateToken, hashToken } from '../../../accounts/token.ts'
import { DepotError } from '../../../errors.ts'
import { IssuerKeys } from '../../../signin/issuer-keys.ts'
import { issuerRequestOptions } from '../../../signin/issuer-request.ts'
import { isKnownIssuer } from '../../../signin/exchange-rule-store.ts'
import { readIssuer, verifyIdToken } from '../../../signin/verify-id-token.ts'
import { shows } from '../../requests/reading.ts'
import { clientOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { IdempotencyHeaders } from '../conventions/idempotency.ts'
import { NO_STORE, answers } from '../conventions/responses.ts'
import { wireTime } from '../conventions/wire.ts'
import { ExchangedToken, TokenExchange } from './shapes.ts'

/**
 * Route that exchanges the ID tokens of CI jobs for tokens of this depot. Each thread has its own cache of
 * issuers' keys.
 */
export function exchangeRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const { config, now } = depot
  const keys = new IssuerKeys(issuerRequestOptions(config.issuerNetworks), now)

  app.withTypeProvider<ZodTypeProvider>().post(
    '/token-exchanges',
    {
      ...shows('everyone'),
      schema: {
        operationId: 'exchangeToken',
        tags: ['sign-in'],
        summary: 'Exchanges an ID token of a CI system for a token',
        description:
          'Needs no token. The ID token must be for the URL of this depot as its only audience, and match an exchange rule. Each ID token is accepted once; a request that is repeated with its Idempotency-Key gets another token, and the first one is revoked.',
        errors: ['conflict', 'forbidden', 'issuer_unavailable'],

        headers: IdempotencyHeaders,
        body: TokenExchange,
        response: answers(ExchangedToken, 201),
      },
    },
    async (request, reply) => {
      const { id_token: text, rule: ruleName } = request.body
      const issuer = await readIssuer(text)
      request.subject = `ID token of ${issuer}`
      const idToken = await verifyIdToken(
        text,
        { issuer: await expectKnown(issuer), audience: audience() },
        { keys, now },
      )
      request.subject = `ID token of ${issuer} for ${idToken.subject}`
      const token = generateToken()
      const idempotencyKey = request.headers['idempotency-key']
      const { tokenId, rule } = await depot.writer.submit({
        kind: 'exchangeToken',
        input: {
          idToken,
          hash: hashToken(token),
          ...(ruleName !== undefined && { rule: ruleName }),
          ...(idempotencyKey !== undefined && { idempotencyKey }),
        },
        actor: { client: clientOf(request.headers), door: 'depot' },
      })
      const { account, expiresAt } = await getToken(depot.db, tokenId)
      return reply
        .code(201)
        .headers(NO_STORE)
        .send({ token, id: tokenId, rule, account, expires_at: wireTime(expiresAt ?? now()) })
    },
  )

  /**
   * Returns the issuer. Throws `forbidden` for an issuer without a rule, so that only administrators decide
   * which servers the depot contacts.
   */
  async function expectKnown(issuer: string): Promise<string> {
    if (await isKnownIssuer(depot.db, issuer)) return issuer
    throw new DepotError('forbidden', 'no exchange rule accepts ID tokens of this issuer')
  }

  /** Returns the audience that ID tokens must name. Throws `conflict` if the depot has no public URL. */
  function audience(): string {
    if (config.publicUrl !== undefined) return config.publicUrl
    throw new DepotError(
      'conflict',
      'this depot does not know its own URL, which ID tokens must be for: its operator must set DEPOT_PUBLIC_URL',
    )
  }
}
