import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { UNRESTRICTED_AUDIENCE, hasRole } from '../../../access/access.ts'
import { expectRole } from '../../../access/rights.ts'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import { publish } from '../../../publishing/publish.ts'
import type { Published } from '../../../publishing/publish.ts'
import { findRelease } from '../../../releases/release-store.ts'
import { getView } from '../../../revisions/view-store.ts'
import { replyDownload } from '../../requests/ask-upstream.ts'
import { orText } from '../../requests/as-text.ts'
import { openPackageBody, streamBodies } from '../../requests/package-body.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange, signedIn } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { ReleasePath, TargetQuery } from '../conventions/shapes.ts'
import { wirePromotion } from '../promotions/wire.ts'
import { describeRelease } from './describe.ts'
import { PackageFile, Upload, UploadQuery } from './shapes.ts'
import { uploadText } from './text.ts'

const tags = ['releases']

/** Routes that download and upload packages. */
export function packageFileRoutes(app: FastifyInstance, context: RouteContext): void {
  const { depot } = context
  app.withTypeProvider<ZodTypeProvider>().get(
    '/releases/:origin/:name/:version/:release/download',
    {
      ...shows('release'),
      schema: {
        operationId: 'downloadRelease',
        tags,
        summary: 'Downloads the package of a release',
        description:
          'The entity tag is the BLAKE2b-256 of the file, and the name of the file is in X-Filename. One Range of bytes is supported, so that a download can be resumed with If-Range. A missing release of an upstream origin is fetched first.',
        errors: [
          'not_found',
          'blob_damaged',
          'blob_unreadable',
          'storage_unavailable',
          'too_many_attempts',
          'upstream_failed',
        ],

        params: ReleasePath,
        querystring: TargetQuery,
        response: {
          200: { description: 'the file', content: { 'application/octet-stream': { schema: PackageFile } } },
        },
      },
    },
    async (request, reply) => {
      const release = { ident: formatIdent(request.params), target: request.query.target }
      await replyDownload(context, release, request, reply)
      return reply
    },
  )

  void app.register(async (scope) => {
    await streamBodies(scope)
    scope.withTypeProvider<ZodTypeProvider>().post(
      '/releases',
      {
        config: { hasStreamedBody: true },
        schema: {
          operationId: 'uploadRelease',
          tags,
          summary: 'Uploads a package',
          description:
            'The ident and the target are read from the file, whose signature must be valid. The body is the file, or a form (multipart/form-data) with a part named file. Answers 201 for a new release, and 200 if it is published with the same bytes, so an upload may be repeated. With view, the release is promoted there, too; if a rule refuses that, the release stays published and the answer is the refusal.',
          errors: [
            'already_exists',
            'blob_damaged',
            'checksum_mismatch',
            'conflict',
            'forbidden',
            'hart_malformed',
            'not_found',
            'package_type_mismatch',
            'quota_exceeded',
            'refused',
            'signature_invalid',
            'signer_unknown',
            'target_unsupported',
          ],

          consumes: ['application/octet-stream'],
          querystring: UploadQuery,
          body: PackageFile,
          response: { ...textToo(Upload), ...textToo(Upload, 201) },
        },
        onRequest: uploadersOnly(depot),
        preSerialization: orText(uploadText),
      },
      async (request, reply) => {
        const { checksum, origin, view } = request.query
        request.subject = 'an upload'
        const publisher = signedIn(request, 'upload')
        const published = await publish(depot, {
          ident: undefined,
          likelyOrigin: origin,
          authorize(ident) {
            request.subject = formatIdent(ident)
            expectRole(publisher, 'member', ident.origin, 'upload')
          },
          target: undefined,
          clientTarget: undefined,
          announcedBytes: Number(request.headers['content-length'] ?? 0),
          checksum: checksum?.toLowerCase(),
          isForced: false,
          acceptsSame: true,
          open: () => openPackageBody(request, depot, 'the package'),
          publisher,
          actor: actorOf(request, 'api'),
        })
        const promotion = view === undefined ? undefined : await promote(depot, request, { view, published })
        const ident = formatIdent(published.ident)
        // The uploader has the file, so it may see all of this even if its token may not read.
        const release = await findRelease(depot.db, ident, published.target, UNRESTRICTED_AUDIENCE)
        if (release === undefined) throw new DepotError('not_found', `${ident} was deleted in the meantime`)
        return reply
          .code(published.isNew ? 201 : 200)
          .header('location', `${request.publicPath}/api/v1/releases/${ident}?target=${published.target}`)
          .send({
            ...(await describeRelease(depot.db, release, UNRESTRICTED_AUDIENCE)),
            promotion: promotion === undefined ? null : wirePromotion(promotion),
            warnings: [...published.warnings],
          })
      },
    )
  })
}

/**
 * Route hook that, before the body is read, refuses callers who may not upload to any origin or to the named
 * one, or may not change the view. Throws `unauthenticated`, `forbidden` and `not_found`.
 */
function uploadersOnly({ db }: Depot): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const caller = signedIn(request, 'upload')
    if (
      !caller.isAdministrator &&
      ![...caller.roles.keys()].some((origin) => hasRole(caller, origin, 'member'))
    )
      throw new DepotError('forbidden', `${caller.accountName} is not a member of any origin`)
    const { origin, view } = request.query as z.input<typeof UploadQuery>
    if (typeof origin === 'string') expectRole(caller, 'member', origin, 'upload')
    if (typeof view === 'string') expectMayChange(request, await getView(db, view), [])
  }
}

/** Promotes a release that was just published. A refusal says that the release is published. */
async function promote(
  depot: Depot,
  request: FastifyRequest,
  { view, published: { ident, target } }: { view: string; published: Published },
): Promise<PromotionOutcome> {
  const text = formatIdent(ident)
  try {
    expectMayChange(request, await getView(depot.db, view), [ident.origin])
    return await depot.writer.submit({
      kind: 'changeView',
      input: { request: { view, act: 'promote', source: { releases: [{ ident: text, target }] } } },
      actor: actorOf(request, 'api'),
    })
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw new DepotError(error.code, `${text} is published, but not promoted: ${error.message}`, {
      cause: error,
      parts: error.parts,
      more: error.more,
      ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
    })
  }
}
