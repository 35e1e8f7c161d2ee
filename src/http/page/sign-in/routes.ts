import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AddressLimit } from '../../../accounts/address-limit.ts'
import { readableViews } from '../../../access/access.ts'
import type { Session } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import type { CodeRequest } from '../../../signin/identity-provider.ts'
import { clientOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import type { SingleSignOn } from '../../requests/single-sign-on.ts'
import { depotUrl } from '../html/depot-url.ts'
import {
  beginPageSession,
  clearSessionCookie,
  cookieOptions,
  endPageSession,
  setVisitorCookie,
} from '../sessions/session.ts'
import { accountContent, signInContent } from './templates.ts'

/** The encrypted cookie of a browser that is signing in at the identity provider. */
const FLOW_COOKIE = 'hart-depot-sign-in'
const FLOW_PURPOSE = 'sign-in of the page'
const FLOW_MS = 10 * 60_000
const MAX_PATH_LENGTH = 2_000

/** A path of the page to which a browser returns. Paths such as `//host` would lead to other hosts. */
const ReturnPath = z
  .string()
  .max(MAX_PATH_LENGTH)
  .regex(/^\/(?![/\\])[^\\\s]*$/)
  .catch('/')
  .default('/')
const Flow = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  to: ReturnPath,
  until: z.number(),
})

/** Routes for signing in with a token or by the single sign-on, and for signing out. */
export function signInRoutes(app: FastifyInstance, { depot }: RouteContext, signOn: SingleSignOn): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { config, secrets, authenticator, now, writer } = depot
  const isOpen = { config: { isOpen: true } }
  const guesses = new AddressLimit(now, {
    what: 'sign-ins with a wrong token',
    perMinute: depot.limits.wrongTokensPerMinute,
  })

  async function sessionOf(token: string, ip: string): Promise<Session> {
    try {
      const caller = await authenticator.identify(`Bearer ${token}`)
      if (caller !== undefined) return caller
    } catch (error) {
      if (!(error instanceof DepotError && error.code === 'unauthenticated')) throw error
      throw guesses.count(ip) ?? error
    }
    throw new DepotError('unauthenticated', 'the token is missing')
  }

  pages.get(
    '/sign-in',
    { ...isOpen, schema: { querystring: z.object({ to: ReturnPath }) } },
    async (request, reply) => {
      const { to } = request.query
      if (request.caller !== undefined) return reply.redirect(request.visit.to(to), 303)
      const reason = request.hasEnded ? 'Your session has ended.' : undefined
      return sendForm(request, reply, { to, reason })
    },
  )

  pages.post(
    '/sign-in',
    {
      ...isOpen,
      schema: { body: z.object({ _csrf: z.string(), token: z.string().max(4_096), to: ReturnPath }) },
    },
    async (request, reply) => {
      const { token, to } = request.body
      try {
        const caller = await sessionOf(token.trim(), request.ip)
        if (readableViews(caller) !== undefined)
          throw new DepotError(
            'unauthenticated',
            'this token reads only some views, as those of Supervisors do',
          )
        await beginPageSession({ request, reply }, depot, { tokenId: caller.tokenId, ownsToken: false })
        request.subject = `${caller.accountName} signed in`
      } catch (error) {
        return refuse(request, reply, { to, error })
      }
      return reply.redirect(request.visit.to(to), 303)
    },
  )

  pages.get(
    '/sign-in/sso',
    { ...isOpen, schema: { querystring: z.object({ to: ReturnPath }) } },
    async (request, reply) => {
      const begun = await signOn.ask((provider) => provider.startCode(redirectUrl(request)))
      const flow = { ...flowOf(begun), to: request.query.to, until: now() + FLOW_MS }
      reply.setCookie(FLOW_COOKIE, secrets.seal(JSON.stringify(flow), FLOW_PURPOSE), {
        ...cookieOptions(request),
        maxAge: FLOW_MS / 1_000,
      })
      return reply.redirect(begun.url.href, 303)
    },
  )

  pages.get('/sign-in/done', isOpen, async (request, reply) => {
    const { to, ...flow } = readFlow(request)
    reply.clearCookie(FLOW_COOKIE, cookieOptions(request))
    const url = new URL(redirectUrl(request))
    url.search = new URL(request.url, url).search
    try {
      const person = await signOn.ask((provider) => provider.finishCode(url, flow))
      request.subject = `${person.subject} of ${person.issuer} signed in`
      const { tokenId } = await signOn.issue(person, clientOf(request.headers))
      await beginPageSession({ request, reply }, depot, { tokenId, ownsToken: true })
    } catch (error) {
      return refuse(request, reply, { to, error })
    }
    return reply.redirect(request.visit.to(to), 303)
  })

  pages.post('/sign-out', isOpen, async (request, reply) => {
    await endPageSession(request, writer)
    clearSessionCookie(request, reply)
    return reply.redirect(request.visit.to('/'), 303)
  })

  pages.get('/account', isOpen, async (request, reply) => {
    const { caller, visit } = request
    if (caller === undefined) throw new DepotError('unauthenticated', 'nobody is signed in')
    return reply.page(accountContent(visit, caller))
  })

  function sendForm(
    request: FastifyRequest,
    reply: FastifyReply,
    { to, reason }: { to: string; reason: string | undefined },
  ) {
    setVisitorCookie(request, reply)
    return reply.page(signInContent(request.visit, { to, reason, hasSignOn: signOn.isConfigured }))
  }

  /** Sends the form again, with the reason of `unauthenticated`. Throws every other error. */
  function refuse(
    request: FastifyRequest,
    reply: FastifyReply,
    { to, error }: { to: string; error: unknown },
  ): FastifyReply {
    if (!(error instanceof DepotError && error.code === 'unauthenticated')) throw error
    request.refusal = error.message
    request.refusalCode = error.code
    return sendForm(request, reply.code(401), { to, reason: `That did not work: ${error.message}.` })
  }

  /** Reads the cookie of a sign-in. Throws `invalid_request` if it is absent, too old or not ours. */
  function readFlow(request: FastifyRequest): z.infer<typeof Flow> {
    const expired = new DepotError(
      'invalid_request',
      'this sign-in took too long, or began in another browser',
    )
    try {
      const flow = Flow.parse(JSON.parse(secrets.open(request.cookies[FLOW_COOKIE] ?? '', FLOW_PURPOSE)))
      if (flow.until > now()) return flow
    } catch (error) {
      throw new DepotError(expired.code, expired.message, { cause: error })
    }
    throw expired
  }

  function redirectUrl(request: FastifyRequest): string {
    return `${depotUrl(request, config)}/sign-in/done`
  }
}

function flowOf({ state, nonce, verifier }: CodeRequest) {
  return { state, nonce, verifier }
}
