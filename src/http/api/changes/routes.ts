import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf, audienceOfChanges } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import { expectRole } from '../../../access/rights.ts'
import type { ChangeRecord } from '../../../changes/change-record.ts'
import { getChange, listChanges } from '../../../changes/change-store.ts'
import type { Depot } from '../../../depot/depot.ts'
import { originOf } from '../../../package/ident.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedIn, signedInAs } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { describeChanges } from './describe.ts'
import {
  Change,
  ChangePath,
  Changes,
  ChangesQuery,
  Lease,
  LeaseQuery,
  LeaseRenewal,
  NewChange,
  NewChangeRelease,
  NewLease,
  NewPhaseReport,
} from './shapes.ts'
import { changeText, changesText, leaseText } from './text.ts'

const tags = ['changes']
const ERRORS = ['forbidden', 'not_found'] as const

export function changeRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.post(
    '/changes',
    {
      schema: {
        operationId: 'recordChange',
        tags,
        summary: 'Records a change of a project',
        description:
          'Needs the right to upload in the origin of the project. Safe to repeat: answers 201 for a new change, and 200 with the recorded one if the project has this change, or 409 if the recorded change has another commit.',
        errors: ['conflict', ...ERRORS],

        querystring: FormatQuery,
        body: NewChange,
        response: { ...textToo(Change), ...textToo(Change, 201) },
      },
      onRequest: needs('upload'),
      preSerialization: orText(changeText),
    },
    async (request, reply) => {
      const { targets = [], branch, url, ...names } = request.body
      request.subject = `change ${names.change} of ${names.project}`
      const caller = signedInAs(request, 'member', originOf(names.project), 'upload')
      const { publicId, isNew } = await depot.writer.submit({
        kind: 'recordChange',
        input: {
          ...names,
          targets: [...new Set(targets)],
          ...(branch !== undefined && { branch }),
          ...(url !== undefined && { url }),
        },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(isNew ? 201 : 200)
        .header('location', `${request.publicPath}/api/v1/changes/${publicId}`)
        .send(await changeFor(depot, publicId, audienceOfChanges(caller)))
    },
  )

  api.get(
    '/changes',
    {
      schema: {
        operationId: 'listChanges',
        tags,
        summary: 'Lists changes',
        description:
          'Newest first. A change is visible to the members of its origin; to others, if it has releases and all of them are public.',

        querystring: ChangesQuery,
        response: textToo(Changes),
      },
      preSerialization: orText(changesText),
    },
    async (request, reply) => {
      const { project, change, view, state, limit } = request.query
      const listKey = { list: 'changes', project, change, view, state }
      const before = placeIn(request.query, listKey, z.int()) ?? Number.MAX_SAFE_INTEGER
      const audience = audienceOf(request.caller)
      const found = await listChanges(
        depot.db,
        { project, change, view, state },
        { before, limit: limit + 1, audience },
      )
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ id }) => id })
      return reply.send({ changes: await describeChanges(depot.db, items, audience), next })
    },
  )

  api.get(
    '/changes/:id',
    {
      schema: {
        operationId: 'getChange',
        tags,
        summary: 'Shows a change with its releases and phases',
        description: 'Visible to the same callers as in the list.',
        errors: ['not_found'],

        params: ChangePath,
        querystring: FormatQuery,
        response: textToo(Change),
      },
      preSerialization: orText(changeText),
    },
    async (request, reply) =>
      reply.send(await changeFor(depot, request.params.id, audienceOf(request.caller))),
  )

  api.post(
    '/changes/:id/releases',
    {
      schema: {
        operationId: 'addChangeRelease',
        tags,
        summary: 'Adds a published release to a change',
        description:
          'Needs the right to upload in the origin of the project, to which the release must belong. Safe to repeat: answers 201 for a new release, and 200 if the change has it. If the change has another release of the same package for the same target, answers 409 with that release as `recorded`, unless rebuild is true. Publish, and phases in views, must pass again for a release that was added after their report.',
        errors: ['conflict', 'ident_malformed', ...ERRORS],

        params: ChangePath,
        querystring: FormatQuery,
        body: NewChangeRelease,
        response: { ...textToo(Change), ...textToo(Change, 201) },
      },
      onRequest: needs('upload'),
      preSerialization: orText(changeText),
    },
    async (request, reply) => {
      const { release: ident, target, rebuild: isRebuild = false } = request.body
      const { audience, record } = await reportableChange(depot, request)
      request.subject = `${ident}, of change ${record.change} of ${record.project}`
      const { isNew } = await depot.writer.submit({
        kind: 'addChangeRelease',
        input: { change: record.publicId, ident, isRebuild, ...(target !== undefined && { target }) },
        actor: actorOf(request, 'api'),
      })
      return reply.code(isNew ? 201 : 200).send(await changeFor(depot, record.publicId, audience))
    },
  )

  api.post(
    '/changes/:id/phases',
    {
      schema: {
        operationId: 'reportPhase',
        tags,
        summary: 'Reports how a phase of a change stands',
        description:
          'Needs the right to upload in the origin of the project; a token that is narrowed to views reports for these only. The last report of a phase counts, for each view in which it runs. A report with a view, or of publish, is about the releases that the change has now; any other report is about the sources. Safe to repeat: a report like the last one changes nothing. The rules of a view can require that phases passed in another one (`requires`).',
        errors: ['conflict', 'lease_lost', ...ERRORS],

        params: ChangePath,
        querystring: FormatQuery,
        body: NewPhaseReport,
        response: textToo(Change),
      },
      onRequest: needs('upload'),
      preSerialization: orText(changeText),
    },
    async (request, reply) => {
      const { phase, status, view, job, message, fence } = request.body
      const { audience, record } = await reportableChange(depot, request)
      request.subject = `${phase} ${status}, of change ${record.change} of ${record.project}`
      await depot.writer.submit({
        kind: 'reportPhase',
        input: {
          change: record.publicId,
          phase,
          status,
          ...(view !== undefined && { view }),
          ...(job !== undefined && { job }),
          ...(message !== undefined && { message }),
          ...(fence !== undefined && { fence }),
        },
        actor: actorOf(request, 'api'),
      })
      return reply.send(await changeFor(depot, record.publicId, audience))
    },
  )

  api.post(
    '/changes/:id/lease',
    {
      schema: {
        operationId: 'takeLease',
        tags,
        summary: 'Takes the lease of a phase',
        description:
          'Needs the right to upload in the origin of the project. A lease ensures that only one holder runs a phase of a change at a time. It lasts 60 seconds: renew it until the phase has ended. Answers 409 phase_running with `holder` and `expires_at` while another holder has it. The fence rises each time the lease is taken, also when the same holder repeats the request.',
        errors: ['phase_running', ...ERRORS],

        params: ChangePath,
        querystring: FormatQuery,
        body: NewLease,
        response: textToo(Lease),
      },
      onRequest: needs('upload'),
      preSerialization: orText(leaseText),
    },
    async (request, reply) => {
      const { phase, view, holder, takeover: isTakeover } = request.body
      const { record } = await reportableChange(depot, request)
      request.subject = `lease of ${phase}, of change ${record.change} of ${record.project}`
      const input = {
        change: record.publicId,
        phase,
        holder,
        isTakeover,
        ...(view !== undefined && { view }),
      }
      const { fence, expiresAt } = await depot.writer.submit({
        kind: 'takeLease',
        input,
        actor: actorOf(request, 'api'),
      })
      return reply.send({ fence, expires_at: wireTime(expiresAt) })
    },
  )

  api.put(
    '/changes/:id/lease',
    {
      schema: {
        operationId: 'renewLease',
        tags,
        summary: 'Renews the lease of a phase',
        description:
          'The lease then lasts 60 seconds from now. Answers 409 lease_lost if the lease was ended, or was taken again since, for example by another holder. A lease that expired and was not taken since can be renewed. Safe to repeat.',
        errors: ['lease_lost', ...ERRORS],

        params: ChangePath,
        querystring: FormatQuery,
        body: LeaseRenewal,
        response: textToo(Lease),
      },
      onRequest: needs('upload'),
      preSerialization: orText(leaseText),
    },
    async (request, reply) => {
      const { phase, view, fence } = request.body
      const { record } = await reportableChange(depot, request)
      request.subject = `lease of ${phase}, of change ${record.change} of ${record.project}`
      const { expiresAt } = await depot.writer.submit({
        kind: 'renewLease',
        input: { change: record.publicId, phase, fence, ...(view !== undefined && { view }) },
        actor: actorOf(request, 'api'),
      })
      return reply.send({ fence, expires_at: wireTime(expiresAt) })
    },
  )

  api.delete(
    '/changes/:id/lease',
    {
      schema: {
        operationId: 'endLease',
        tags,
        summary: 'Ends the lease of a phase',
        description:
          'The next holder then need not wait for it to expire. Does nothing if the lease was taken again since. Safe to repeat.',
        errors: ERRORS,

        params: ChangePath,
        querystring: LeaseQuery,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: needs('upload'),
    },
    async (request, reply) => {
      const { phase, view, fence } = request.query
      const { record } = await reportableChange(depot, request)
      request.subject = `lease of ${phase}, of change ${record.change} of ${record.project}`
      await depot.writer.submit({
        kind: 'endLease',
        input: { change: record.publicId, phase, fence, ...(view !== undefined && { view }) },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )
}

/**
 * Returns the change in the URL and the caller's audience. A token without the right to read suffices. Throws
 * `not_found` if the caller may not see the change, and `forbidden` if the caller may not report about it.
 */
async function reportableChange(
  { db }: Depot,
  request: FastifyRequest<{ Params: z.infer<typeof ChangePath> }>,
): Promise<{ record: ChangeRecord; audience: Audience }> {
  const caller = signedIn(request, 'upload')
  const audience = audienceOfChanges(caller)
  const record = await getChange(db, request.params.id, audience)
  expectRole(caller, 'member', originOf(record.project), 'upload')
  return { record, audience }
}

/** Returns the JSON of a change. Throws `not_found` if the audience may not see the change. */
async function changeFor(
  { db }: Depot,
  publicId: string,
  audience: Audience,
): Promise<z.infer<typeof Change>> {
  const [change] = await describeChanges(db, [await getChange(db, publicId, audience)], audience)
  if (change === undefined) throw new Error('one record must give one change')
  return change
}
