import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createHash } from 'node:crypto'
import { UNRESTRICTED_AUDIENCE } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { listLockfileKeys } from '../../../lockfiles/depot-key-store.ts'
import { expectSameReleases } from '../../../lockfiles/lockfile-store.ts'
import { MAX_LOCKFILE_BYTES } from '../../../lockfiles/lockfile.ts'
import { readLockfile } from '../../../lockfiles/signed-lockfile.ts'
import { listPins } from '../../../retention/pin-store.ts'
import { findRegisteredLockfile, listRegisteredLockfiles } from '../../../retention/registered-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs } from '../../requests/rights.ts'
import { LockfileText } from '../lockfiles/shapes.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { takeBodiesAsText } from '../conventions/text-body.ts'
import {
  LockfilePath,
  PinBody,
  PinPath,
  Pinned,
  Pins,
  RegisteredLockfile,
  RegisteredLockfiles,
} from './shapes.ts'
import { lockfileText, lockfilesText, pinText, pinsText } from './text.ts'
import { wireLockfile, wirePin } from './wire.ts'

const tags = ['retention']
const done = answers(z.undefined().describe('done'), 204)

/** Routes for what keeps releases by name: pinned revisions and registered lockfiles. */
export function pinRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/pins',
    {
      schema: {
        operationId: 'listPins',
        tags,
        summary: 'Lists the pinned revisions',
        description: 'The releases of a pinned revision are kept.',

        querystring: FormatQuery,
        response: textToo(Pins),
      },
      preSerialization: orText(pinsText),
    },
    async (_request, reply) => reply.send({ pins: (await listPins(depot.db)).map(wirePin) }),
  )

  api.put(
    '/views/:view/pins/:revision',
    {
      schema: {
        operationId: 'pinRevision',
        tags,
        summary: 'Pins a revision of a view',
        description:
          'For administrators and promoters whom the rules of the view name. The releases that were in the view at the revision are kept, and so is what they depend on. At most 1,000 pins. Safe to repeat; another reason replaces the first.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: PinPath,
        querystring: FormatQuery,
        body: PinBody,
        response: textToo(Pinned),
      },
      onRequest: needs('promote'),
      preSerialization: orText(pinText),
    },
    async (request, reply) => {
      const { view, revision } = request.params
      request.subject = `pin ${view}@${revision}`
      const { isChanged, deleted } = await depot.writer.submit({
        kind: 'pinRevision',
        input: { view, revision, reason: request.body.reason },
        actor: actorOf(request, 'api'),
      })
      const pin = (await listPins(depot.db, view)).find((candidate) => candidate.revision === revision)
      if (pin === undefined) throw new DepotError('not_found', 'the pin was removed in the meantime')
      return reply.send({ ...wirePin(pin), changed: isChanged, deleted })
    },
  )

  api.delete(
    '/views/:view/pins/:revision',
    {
      schema: {
        operationId: 'unpinRevision',
        tags,
        summary: 'Removes the pin of a revision',
        description: 'For administrators and promoters whom the rules of the view name.',
        errors: ['forbidden', 'not_found'],

        params: PinPath,
        response: done,
      },
      onRequest: needs('promote'),
    },
    async (request, reply) => {
      const { view, revision } = request.params
      request.subject = `unpin ${view}@${revision}`
      await depot.writer.submit({
        kind: 'unpinRevision',
        input: { view, revision },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )

  api.get(
    '/lockfiles',
    {
      schema: {
        operationId: 'listLockfiles',
        tags,
        summary: 'Lists the registered lockfiles',
        description: 'The releases of a registered lockfile are kept.',

        querystring: FormatQuery,
        response: textToo(RegisteredLockfiles),
      },
      preSerialization: orText(lockfilesText),
    },
    async (_request, reply) =>
      reply.send({ lockfiles: (await listRegisteredLockfiles(depot.db)).map(wireLockfile) }),
  )

  void api.register(async (scope) => {
    takeBodiesAsText(scope, { maxBytes: MAX_LOCKFILE_BYTES })
    scope.withTypeProvider<ZodTypeProvider>().put(
      '/lockfiles/:name',
      {
        schema: {
          operationId: 'registerLockfile',
          tags,
          summary: 'Registers a lockfile, so that its releases are kept',
          description:
            'Administrators only. The body is a lockfile of this depot or of one whose key is trusted, with at most 10,000 releases, which must all be here. At most 1,000 lockfiles. Safe to repeat; another lockfile of the same name replaces the first.',
          errors: [
            'conflict',
            'forbidden',
            'lockfile_malformed',
            'not_found',
            'release_differs',
            'signature_invalid',
            'signer_unknown',
            'too_large',
          ],

          consumes: ['text/plain'],
          params: LockfilePath,
          querystring: FormatQuery,
          body: LockfileText,
          response: textToo(RegisteredLockfile),
        },
        onRequest: administratorOnly,
        preSerialization: orText(lockfileText),
      },
      async (request, reply) => {
        const { name } = request.params
        request.subject = `lockfile ${name}`
        const { view, revision, releases } = readLockfile(request.body, await listLockfileKeys(depot.db))
        await expectSameReleases(depot.db, releases, UNRESTRICTED_AUDIENCE)
        await depot.writer.submit({
          kind: 'registerLockfile',
          input: {
            name,
            digest: createHash('sha256').update(request.body).digest('hex'),
            view,
            revision,
            releases: releases.map(({ ident, target, checksum }) => ({ ident, target, checksum })),
          },
          actor: actorOf(request, 'api'),
        })
        const registered = await findRegisteredLockfile(depot.db, name)
        if (registered === undefined)
          throw new DepotError('not_found', 'the lockfile was unregistered in the meantime')
        return reply.send(wireLockfile(registered))
      },
    )
  })

  api.delete(
    '/lockfiles/:name',
    {
      schema: {
        operationId: 'unregisterLockfile',
        tags,
        summary: 'Ends the registration of a lockfile',
        description: 'Administrators only.',
        errors: ['forbidden', 'not_found'],

        params: LockfilePath,
        response: done,
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { name } = request.params
      request.subject = `lockfile ${name}`
      await depot.writer.submit({
        kind: 'unregisterLockfile',
        input: { name },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )
}
