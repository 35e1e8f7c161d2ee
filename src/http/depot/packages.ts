import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../accounts/access.ts'
import type { Shape } from '../../answers/answers.ts'
import { DepotError } from '../../errors.ts'
import { formatIdent } from '../../package/ident.ts'
import { findRelease, listIdents, listIdentsInView, listViewsOf } from '../../releases/release-store.ts'
import { publish } from '../../releases/publish.ts'
import { UNSTABLE } from '../../views/view.ts'
import { findView } from '../../views/view-store.ts'
import { replyArchive } from '../archive-reply.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { signedInAs } from '../rights.ts'
import { identOf, identTextOf, meantTarget, namedTarget, offsetOf, ownTarget, query } from './asked.ts'
import type { Asking } from './asked.ts'
import { packageIn } from './body.ts'
import { NO_CACHE, replyLatest, replyPackage } from './package-reply.ts'
import { wireIdent, wireListed, wirePage, wireTime } from './wire.ts'

const PAGE = 50
const YEAR = 'public, max-age=31536000'

/** habitat-2016.md 1.2 rows 2–7 and 10–16, habitat-today.md 3.1; `place` is the mount, or a view's URL below it. */
export function packageReads(app: FastifyInstance, { depot, answers }: Door, place: string): void {
  const latest = (request: Asking, reply: FastifyReply) => {
    const { view, origin, name, version } = request.params
    const shape: Shape = view === undefined ? 'brief' : 'whole'
    const question = { shape, view: view ?? UNSTABLE, origin, name, version, target: meantTarget(request) }
    return replyLatest(answers.latest(question, audienceOf(request.caller)), reply, view)
  }
  const exact = async (request: Asking, reply: FastifyReply) => {
    const isBelowView = request.params.view !== undefined
    const question = { shape: isBelowView ? 'whole' : 'brief', ident: identTextOf(request), target: namedTarget(request) } as const
    const answer = await answers.exact(question, audienceOf(request.caller))
    return replyPackage(answer, reply, isBelowView || answer?.isPublic !== true ? NO_CACHE : YEAR)
  }
  const list = async (request: Asking, reply: FastifyReply) => {
    const { view, origin, name, version } = request.params
    const prefix = [origin, name, version].filter((part) => part !== undefined)
    reply.header('cache-control', NO_CACHE).type('application/json; charset=utf-8')
    if (view !== undefined) return replyViewList(request, reply, { view, prefix })
    const offset = offsetOf(request)
    const page = await listIdents(depot.db, prefix, { offset, limit: PAGE }, audienceOf(request.caller))
    const { status, body } = wirePage(page, offset, wireListed)
    return reply.code(status).send(JSON.stringify(body))
  }
  const download = async (request: Asking, reply: FastifyReply) => {
    const release = await findRelease(depot.db, identTextOf(request), namedTarget(request), audienceOf(request.caller))
    if (release === undefined) throw new DepotError('not_found', `there is no release ${identTextOf(request)}`)
    return replyArchive(release, depot.blobs, request, reply)
  }

  /** The bare array of 2016, paged by its integer `Range` (habitat-2016.md 1.7), without the overlap of its pages. */
  async function replyViewList(request: Asking, reply: FastifyReply, asked: { view: string; prefix: readonly string[] }): Promise<FastifyReply> {
    const [, first = '1'] = /^\s*(\d{1,15})\s*$/.exec(request.headers.range ?? '') ?? []
    const offset = Math.max(0, Number(first) - 1)
    const view = await findView(depot.db, asked.view)
    const page = view && (await listIdentsInView(depot.db, view.id, asked.prefix, { offset, limit: PAGE }, audienceOf(request.caller)))
    const { items, total } = page ?? { items: [], total: 0 }
    const range = `${offset}..${offset + PAGE}; count=${total}`
    reply.headers({ 'content-range': range, 'x-content-range': range, vary: 'range' })
    if (total > offset + PAGE) reply.code(206).header('next-range', String(offset + PAGE + 1))
    return reply.send(JSON.stringify(items.map(wireIdent)))
  }

  app.get(`${place}/pkgs/:origin`, list)
  app.get(`${place}/pkgs/:origin/:name`, list)
  app.get(`${place}/pkgs/:origin/:name/latest`, latest)
  app.get(`${place}/pkgs/:origin/:name/:version`, list)
  app.get(`${place}/pkgs/:origin/:name/:version/latest`, latest)
  app.get(`${place}/pkgs/:origin/:name/:version/:release`, exact)
  app.get(`${place}/pkgs/:origin/:name/:version/:release/download`, download)
  app.get(`${place}/pkgs/:origin/:name/:version/:release/channels`, async (request: Asking, reply) => {
    const release = await findRelease(depot.db, identTextOf(request), namedTarget(request), audienceOf(request.caller))
    const views = release === undefined ? [] : await listViewsOf(depot.db, release.id)
    return reply.type('application/json').send(
      JSON.stringify(views.map((view) => ({ name: view.name, created_at: wireTime(view.channelCreatedAt), promoted_at: wireTime(view.promotedAt) }))),
    )
  })
}

/** habitat-2016.md 1.10, habitat-today.md 1.6 and 3.6. */
export function packageWrites(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.post(`${mount}/pkgs/:origin/:name/:version/:release`, async (request: Asking, reply) => {
    const ident = identOf(request)
    request.subject = formatIdent(ident)
    const publisher = signedInAs(request, 'member', ident.origin, 'upload')
    const target = namedTarget(request)
    const checksum = query(request, 'checksum')?.toLowerCase()
    const isForced = query(request, 'forced') === 'true'
    const open = () => packageIn(request, depot, request.subject ?? '')
    const upload = { ident, target, ownTarget: ownTarget(request), checksum, isForced, open, publisher }
    await publish(depot, { ...upload, actor: actorOf(request, 'habitat') })
    // The Ruby gem of 2016, which alone sends multipart, wants 200; `hab` wants 201 (habitat-2016.md 8.1).
    return reply
      .code(request.isMultipart() ? 200 : 201)
      .header('location', request.raw.url ?? '')
      .type('text/plain')
      .send(`/pkgs/${formatIdent(ident)}/download`)
  })
}
