import type { FastifyInstance, FastifyReply } from 'fastify'
import { DepotError, quote } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import { publish } from '../../../publishing/publish.ts'
import { removeRelease } from '../../../publishing/remove-release.ts'
import { replyDownload } from '../../requests/ask-upstream.ts'
import { openPackageBody } from '../../requests/package-body.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import {
  clientTarget,
  identOf,
  identTextOf,
  parseTarget,
  queryOf,
  targetOrDefault,
} from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { pollRoute } from '../polls/route.ts'

const SETTABLE: readonly string[] = ['public', 'private']

/**
 * Routes that read releases (habitat-2016.md 1.2 rows 10–16, habitat-today.md 3.1). `place` is the mount or
 * the URL of a view.
 */
export function packageReads(app: FastifyInstance, context: RouteContext, place: string): void {
  const download = async (request: HabitatRequest, reply: FastifyReply) =>
    replyDownload(context, { ident: identTextOf(request), target: parseTarget(request) }, request, reply)

  app.get(
    `${place}/pkgs/:origin/:name/latest`,
    shows('origin-in-view'),
    pollRoute(context, { isLatest: true, isChannel: false }),
  )
  app.get(
    `${place}/pkgs/:origin/:name/:version/latest`,
    shows('origin-in-view'),
    pollRoute(context, { isLatest: true, isChannel: false }),
  )
  app.get(
    `${place}/pkgs/:origin/:name/:version/:release`,
    shows('release'),
    pollRoute(context, { isLatest: false, isChannel: false }),
  )
  app.get(`${place}/pkgs/:origin/:name/:version/:release/download`, shows('release'), download)
}

/** Routes that upload, change and delete releases (habitat-2016.md 1.10, habitat-today.md 1.6 and 3.6). */
export function packageWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.post(`${mount}/pkgs/:origin/:name/:version/:release`, async (request: HabitatRequest, reply) => {
    const ident = identOf(request)
    request.subject = formatIdent(ident)
    const publisher = signedInAs(request, 'member', ident.origin, 'upload')
    const target = parseTarget(request)
    const checksum = queryOf(request, 'checksum')?.toLowerCase()
    const isForced = queryOf(request, 'forced') === 'true'
    const announcedBytes = Number(request.headers['content-length'] ?? 0)
    const open = () => openPackageBody(request, depot, request.subject ?? '')
    const upload = {
      ident,
      target,
      clientTarget: clientTarget(request.headers['user-agent']),
      announcedBytes,
      checksum,
      isForced,
      open,
      publisher,
    }
    await publish(depot, { ...upload, actor: actorOf(request, 'habitat') })
    // Only the Ruby gem of 2016 sends multipart, and it expects 200; `hab` expects 201 (habitat-2016.md 8.1).
    return reply
      .code(request.isMultipart() ? 200 : 201)
      .header('location', `${request.publicPath}${request.url}`)
      .type('text/plain')
      .send(`/pkgs/${formatIdent(ident)}/download`)
  })

  /**
   * Deletes a release for one target. Answers 422 if the release is in `stable` or other packages depend on
   * it (habitat-today.md 3.1).
   */
  app.delete(`${mount}/pkgs/:origin/:name/:version/:release`, async (request: HabitatRequest, reply) => {
    const ident = identOf(request)
    request.subject = formatIdent(ident)
    signedInAs(request, 'member', ident.origin, 'manage')
    await removeRelease(
      depot,
      { ident: formatIdent(ident), target: targetOrDefault(request) },
      actorOf(request, 'habitat'),
    )
    return reply.code(204).send()
  })

  /**
   * Sets the visibility of an ident for all of its targets. Clients cannot set `hidden`: it gets 422 like an
   * invalid value.
   */
  app.patch(
    `${mount}/pkgs/:origin/:name/:version/:release/:visibility`,
    async (request: HabitatRequest, reply) => {
      const ident = formatIdent(identOf(request))
      const { origin, visibility } = request.params
      request.subject = `${ident}, ${visibility}`
      signedInAs(request, 'maintainer', origin, 'manage')
      if (!isSettable(visibility))
        throw new DepotError(
          'invalid_value',
          `the visibility must be public or private, not ${quote(visibility)}`,
        )
      await depot.writer.submit({
        kind: 'setVisibility',
        input: { ident, visibility },
        actor: actorOf(request, 'habitat'),
      })
      return reply.send()
    },
  )
}

function isSettable(text: string): text is 'public' | 'private' {
  return SETTABLE.includes(text)
}
