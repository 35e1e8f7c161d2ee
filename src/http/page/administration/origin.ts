import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isNarrowed } from '../../../access/rights.ts'
import { listGroupRoles } from '../../../accounts/group-role-store.ts'
import { DepotError } from '../../../errors.ts'
import { formatKeyName, isKeyRevision, parsePublicKey, parseSecretKey } from '../../../hart/origin-key.ts'
import { listInvitationsTo } from '../../../origins/invitation-store.ts'
import { makeOriginKey } from '../../../origins/new-key.ts'
import {
  findKey,
  findLatestKey,
  getOrigin,
  listKeysBefore,
  listMembers,
} from '../../../origins/origin-store.ts'
import { secretKeyPurpose } from '../../../origins/secret-purposes.ts'
import { readOriginStorage } from '../../../origins/storage-store.ts'
import { NewOwner, OriginChanges } from '../../api/origins/shapes.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs, signedInFor } from '../../requests/rights.ts'
import { Once, onceKey } from '../html/once.ts'
import { Csrf } from './frame.ts'
import { GIVEN_ROLES, originContent, originPath } from './origin-templates.ts'

/** So many members and keys of an origin are shown; the API lists all of them. */
const MAX_SHOWN = 1_000
const PATH = '/admin/origins/:origin'
const params = z.object({ origin: z.string().max(255) })
const Name = z.string().trim().min(1).max(255)
const role = z.enum([...GIVEN_ROLES, 'none'])
const MemberForm = z.object({ ...Csrf, account: Name, role })
const GroupForm = z.object({ ...Csrf, group: Name, role })
const InvitationForm = z.object({ ...Csrf, ...Once, account: Name })
const KeyForm = z.object({ ...Csrf, ...Once, file: z.string().max(16_384) })

/** The page of an origin: its members, groups, invitations, keys and settings. */
export function originPage(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer, secrets } = depot

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const { origin: name } = params.parse(request.params)
    signedInAs(request, 'readonly_member', name, 'read')
    const origin = await getOrigin(db, name)
    const page = { limit: MAX_SHOWN }
    const [members, groups, invitations, keys, secretKey, storage] = await Promise.all([
      listMembers(db, origin.name, { ...page, after: undefined }),
      listGroupRoles(db, origin.id),
      listInvitationsTo(db, origin.id),
      listKeysBefore(db, origin.name, 'public', { ...page, before: undefined }),
      findLatestKey(db, origin.name, 'secret'),
      readOriginStorage(db, origin.id),
    ])
    const hasSecretKey = secretKey !== undefined
    return reply.page(
      originContent(request.visit, { origin, members, groups, invitations, keys, hasSecretKey, storage }),
    )
  }
  const options = { config: { showForm } }

  pages.get(PATH, { schema: { params } }, showForm)

  pages.post(
    `${PATH}/members`,
    { ...options, schema: { params, body: MemberForm } },
    async (request, reply) => {
      const { origin } = request.params
      const { account, role: given } = request.body
      request.subject =
        given === 'none' ? `${account} out of ${origin}` : `${account} as ${given} of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      const input = { origin, account, role: given === 'none' ? null : given }
      await writer.submit({ kind: 'setMember', input, actor: actorOf(request, 'page') })
      return back(request, reply, origin)
    },
  )

  pages.post(
    `${PATH}/groups`,
    { ...options, schema: { params, body: GroupForm } },
    async (request, reply) => {
      const { origin } = request.params
      const { group, role: given } = request.body
      request.subject = `group ${group} ${given === 'none' ? 'out' : `as ${given}`} of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      const input = { origin, group, role: given === 'none' ? null : given }
      await writer.submit({ kind: 'setGroupRole', input, actor: actorOf(request, 'page') })
      return back(request, reply, origin)
    },
  )

  pages.post(
    `${PATH}/invitations`,
    { ...options, schema: { params, body: InvitationForm } },
    async (request, reply) => {
      const { origin } = request.params
      const { account } = request.body
      request.subject = `${account} to ${origin}`
      const { accountId: inviterId } = signedInAs(request, 'maintainer', origin, 'manage')
      const input = { origin, account, inviterId, idempotency: onceKey(request) }
      await writer.submit({ kind: 'invite', input, actor: actorOf(request, 'page') })
      return back(request, reply, origin)
    },
  )

  pages.post(
    `${PATH}/leave`,
    { ...options, schema: { params, body: z.object(Csrf) } },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `out of origin ${origin}`
      const { accountId, accountName: account } = signedInFor(request, origin, 'manage')
      const input = { origin, account, accountId }
      await writer.submit({ kind: 'departOrigin', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to('/admin/origins'), 303)
    },
  )

  pages.get(
    `${PATH}/keys/:revision`,
    { schema: { params: params.extend({ revision: z.string() }) } },
    async (request, reply) => {
      const { name: origin } = await getOrigin(db, request.params.origin)
      const { revision } = request.params
      const isSecret = revision === 'secret'
      signedInAs(request, isSecret ? 'member' : 'readonly_member', origin, 'read')
      const key = isSecret
        ? await findLatestKey(db, origin, 'secret')
        : isKeyRevision(revision)
          ? await findKey(db, origin, 'public', revision)
          : undefined
      if (key === undefined) throw new DepotError('not_found', `the origin ${origin} has no such key`)
      const name = formatKeyName({ origin, revision: key.revision })
      const file = isSecret ? secrets.open(key.body, secretKeyPurpose(origin, key.revision)) : key.body
      return reply
        .type('text/plain; charset=utf-8')
        .header('content-disposition', `attachment; filename="${name}${isSecret ? '.sig.key' : '.pub'}"`)
        .send(file)
    },
  )

  pages.post(`${PATH}/keys`, { ...options, schema: { params, body: KeyForm } }, async (request, reply) => {
    const { origin } = request.params
    const { accountId: ownerId } = signedInAs(request, 'administrator', origin, 'manage')
    // Browsers send the lines of a form with CR LF, and key files have LF.
    const file = request.body.file.replaceAll('\r\n', '\n').trim()
    const isSecret = file.startsWith('SIG-SEC-')
    const key = isSecret ? parseSecretKey(file) : parsePublicKey(file)
    request.subject = `key ${formatKeyName(key)}`
    if (key.origin !== origin)
      throw new DepotError('key_malformed', `the key is ${formatKeyName(key)}, and not of ${origin}`)
    const { revision } = key
    const body = isSecret
      ? { secretBody: secrets.seal(file, secretKeyPurpose(origin, revision)) }
      : { publicBody: file }
    const input = { origin, revision, ownerId, ...body, idempotency: onceKey(request) }
    await writer.submit({ kind: 'addKey', input, actor: actorOf(request, 'page') })
    return back(request, reply, origin)
  })

  pages.post(
    `${PATH}/keys/generate`,
    { ...options, schema: { params, body: z.object({ ...Csrf, ...Once }) } },
    async (request, reply) => {
      const { origin } = request.params
      const { accountId: ownerId } = signedInAs(request, 'administrator', origin, 'manage')
      const key = makeOriginKey(origin, { at: depot.now(), secrets })
      const input = { origin, ownerId, ...key, idempotency: onceKey(request) }
      request.subject = `key ${formatKeyName(input)}`
      await writer.submit({ kind: 'addKey', input, actor: actorOf(request, 'page') })
      return back(request, reply, origin)
    },
  )

  pages.post(
    `${PATH}/visibility`,
    { ...options, schema: { params, body: OriginChanges.extend(Csrf) } },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `origin ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      const input = { origin, defaultVisibility: request.body.default_visibility }
      await writer.submit({ kind: 'changeOrigin', input, actor: actorOf(request, 'page') })
      return back(request, reply, origin)
    },
  )

  pages.post(
    `${PATH}/owner`,
    { ...options, schema: { params, body: NewOwner.extend(Csrf) } },
    async (request, reply) => {
      const { origin } = request.params
      const { account, former_owner: formerOwner } = request.body
      request.subject = `origin ${origin} to ${account}`
      const caller = signedInAs(request, 'owner', origin, 'manage')
      const toAnyone = caller.isAdministrator && !isNarrowed(caller)
      const input = { origin, account, toAnyone, formerOwner }
      await writer.submit({ kind: 'transferOrigin', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to('/admin/origins'), 303)
    },
  )

  pages.post(
    `${PATH}/delete`,
    { ...options, schema: { params, body: z.object(Csrf) } },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `origin ${origin}`
      signedInAs(request, 'owner', origin, 'manage')
      await writer.submit({ kind: 'deleteOrigin', input: { origin }, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to('/admin/origins'), 303)
    },
  )
}

function back({ visit }: FastifyRequest, reply: FastifyReply, origin: string): FastifyReply {
  return reply.redirect(visit.to(originPath(origin)), 303)
}
