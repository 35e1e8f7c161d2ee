import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { mayReadEverything } from '../../access/anonymous-reading.ts'
import { DepotError } from '../../errors.ts'
import { acceptsHtml } from '../requests/as-text.ts'
import type { AddHooks, RouteContext } from '../requests/request.ts'
import { writeMap } from './map.ts'
import type { PageServer } from './page-server.ts'

// The page for browsers. It is a fastify server of its own, with its own hooks, plugins and errors, that does
// not listen: the routes below hand requests to it. It is loaded when the first browser asks, because most
// depots answer polls alone for weeks.

/** The first parts of the paths of the page, besides `/`. */
const SECTIONS = [
  'account',
  'activity',
  'admin',
  'assets',
  'changes',
  'live',
  'pkgs',
  'plans',
  'search',
  'sign-in',
  'sign-out',
  'views',
]
const SECTION = `:section(^(?:${SECTIONS.join('|')})$)`
/** Requests of scripts, style sheets and event streams, which do not accept HTML. */
const FOR_PAGES = /^\/(?:assets|live)\b/

/**
 * Adds the routes of the page. `prepare` adds the hooks for answers to the server of the page. Clients that
 * do not accept HTML get a map of the depot as text.
 */
export function mountPage(app: FastifyInstance, context: RouteContext, prepare: AddHooks): void {
  let opened: Promise<PageServer> | undefined
  const open = () => {
    opened ??= import('./page-server.ts').then(({ openPage }) => openPage(context, prepare))
    opened.catch(() => (opened = undefined)) // the next request tries again
    return opened
  }
  const hand = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    if (!acceptsHtml(request) && !FOR_PAGES.test(path)) {
      const { config } = context.depot
      if (request.caller === undefined && !mayReadEverything(config.anonymous))
        throw new DepotError('unauthenticated', 'this depot answers only requests with a token')
      const text = writeMap(request, config)
      return reply
        .code(path === '/' ? 200 : 404)
        .headers({ vary: 'accept', 'cache-control': 'no-store' })
        .type('text/plain; charset=utf-8')
        .send(text)
    }
    return (await open()).answer(request, reply)
  }
  const options = { config: { reach: 'everyone', isPage: true }, schema: { hide: true } } as const
  for (const url of ['/', `/${SECTION}`, `/${SECTION}/*`]) {
    app.get(url, options, hand)
    app.post(url, options, hand)
  }
  app.addHook('onClose', async () => {
    await (await opened?.catch(() => undefined))?.close()
  })
}
