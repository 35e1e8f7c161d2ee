import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { listOriginSizes, listPackageSizes } from '../../../origins/storage-store.ts'
import type { NamedSize } from '../../../origins/storage-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, signedIn, signedInAs } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { OriginPath } from '../origins/shapes.ts'
import { describeDepot, describeOrigin } from './describe.ts'
import { DepotStorage, OriginSizes, OriginStorage, PackageSizes, QuotaBody, StorageQuery } from './shapes.ts'
import { depotStorageText, originSizesText, originStorageText, packageSizesText } from './text.ts'

const tags = ['storage']
const placeOf = ({ name }: NamedSize) => name

/** Routes that show how many bytes releases use, and that set quotas. */
export function storageRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/storage',
    {
      schema: {
        operationId: 'getStorage',
        tags,
        summary: 'Shows how much all releases take',
        description:
          'Administrators only. Counts the releases that are not deleted; a file that several of them share counts once.',
        errors: ['forbidden'],

        querystring: FormatQuery,
        response: textToo(DepotStorage),
      },
      onRequest: administratorOnly,
      preSerialization: orText(depotStorageText),
    },
    async (_request, reply) => reply.headers(NO_STORE).send(await describeDepot(depot)),
  )

  api.put(
    '/storage/quota',
    {
      schema: {
        operationId: 'setDepotQuota',
        tags,
        summary: 'Sets the quota of the depot',
        description:
          'Administrators only. If more bytes are used than the quota allows, the depot refuses further releases, and deletes none.',
        errors: ['forbidden'],

        body: QuotaBody,
        response: answers(DepotStorage),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { bytes } = request.body
      request.subject = `the quota of the depot, ${bytes ?? 'none'}`
      await depot.writer.submit({ kind: 'setQuota', input: { bytes }, actor: actorOf(request, 'api') })
      return reply.headers(NO_STORE).send(await describeDepot(depot))
    },
  )

  api.get(
    '/storage/origins',
    {
      schema: {
        operationId: 'listOriginSizes',
        tags,
        summary: 'Lists how much the releases of each origin take',
        description:
          'Sorted by name. Administrators see all origins, others only those in which they have a role. With before, only bytes that the depot received before that month count.',
        errors: ['forbidden'],

        querystring: StorageQuery,
        response: textToo(OriginSizes),
      },
      preSerialization: orText(originSizesText),
    },
    async (request, reply) => {
      const caller = signedIn(request, 'read')
      const { before, limit } = request.query
      const listKey = { list: 'origin sizes', of: caller.accountName, before }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listOriginSizes(depot.db, { after, before, limit: limit + 1 }, audienceOf(caller))
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf })
      const origins = items.map(({ name, releases, bytes, quotaBytes = null }) => ({
        origin: name,
        releases,
        used_bytes: bytes,
        quota_bytes: quotaBytes,
      }))
      return reply.headers(NO_STORE).send({ origins, next })
    },
  )

  api.get(
    '/origins/:origin/storage',
    {
      schema: {
        operationId: 'getOriginStorage',
        tags,
        summary: 'Shows how much the releases of an origin take',
        description:
          'Members of the origin only. Counts the releases that are not deleted; a file that several of them share counts once.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: FormatQuery,
        response: textToo(OriginStorage),
      },
      preSerialization: orText(originStorageText),
    },
    async (request, reply) => {
      const { origin } = request.params
      signedInAs(request, 'readonly_member', origin, 'read')
      return reply.headers(NO_STORE).send(await describeOrigin(depot, origin))
    },
  )

  api.get(
    '/origins/:origin/storage/packages',
    {
      schema: {
        operationId: 'listPackageSizes',
        tags,
        summary: 'Lists how much the releases of each package of an origin take',
        description:
          'Members of the origin only. Sorted by name. With before, only bytes that the depot received before that month count.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: StorageQuery,
        response: textToo(PackageSizes),
      },
      preSerialization: orText(packageSizesText),
    },
    async (request, reply) => {
      const { origin } = request.params
      signedInAs(request, 'readonly_member', origin, 'read')
      const { before, limit } = request.query
      const { id } = await getOrigin(depot.db, origin)
      const listKey = { list: 'package sizes', origin, before }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listPackageSizes(depot.db, id, { after, before, limit: limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf })
      const packages = items.map(({ name, releases, bytes }) => ({
        package: `${origin}/${name}`,
        releases,
        used_bytes: bytes,
      }))
      return reply.headers(NO_STORE).send({ origin, packages, next })
    },
  )

  api.put(
    '/origins/:origin/quota',
    {
      schema: {
        operationId: 'setOriginQuota',
        tags,
        summary: 'Sets the quota of an origin',
        description:
          'Administrators of the depot only. If more bytes are used than the quota allows, the depot refuses further releases of the origin, and deletes none.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        body: QuotaBody,
        response: answers(OriginStorage),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { origin } = request.params
      const { bytes } = request.body
      request.subject = `the quota of the origin ${origin}, ${bytes ?? 'none'}`
      await depot.writer.submit({
        kind: 'setQuota',
        input: { origin, bytes },
        actor: actorOf(request, 'api'),
      })
      return reply.headers(NO_STORE).send(await describeOrigin(depot, origin))
    },
  )
}
