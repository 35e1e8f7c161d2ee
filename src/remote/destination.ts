import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { didYouMean } from '../text/nearest.ts'
import { formatPublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { RemoteError } from './remote-error.ts'
import { path } from './resource-path.ts'
import type { RemoteDepot } from './remote-depot.ts'

// Changes in the destination of an import or a pull, and reads from its own API. Every request can safely be
// repeated.

/** A release for one target, as a member of a view. */
export interface Member {
  readonly ident: string
  readonly target: Target
}

/** Formats a release for messages and as a key: `acme/app/1.2.0/20260101120000 for x86_64-linux`. */
export function formatMember({ ident, target }: Member): string {
  return `${ident} for ${target}`
}

/** Explains why a release is not copied: the destination has other bytes, and releases never change. */
export function describeDifference(destination: string | undefined, source: string): string {
  return `the destination has other bytes: its checksum is ${destination ?? 'unknown'}, the source's is ${source}`
}

const NamedAccount = z.object({ account: z.string() })
const Members = z.object({
  members: z.array(z.object({ ident: z.string(), target: z.enum(TARGETS) })),
  next: z.string().nullable(),
})
const Promoted = z.object({ revision: z.int(), changed: z.boolean() })
const Planned = z.object({ blocked: z.array(z.object({ detail: z.string() })) })
// Earlier versions of the depot have no revision_id.
const View = z.object({
  revision: z.int(),
  revision_id: z.string().optional(),
  closed_at: z.string().nullable(),
})
const Views = z.object({ views: z.array(z.object({ name: z.string() })) })
const KeyFile = z.object({ file: z.string() })
const OwnKeys = z.object({ keys: z.array(KeyFile) })
const TrustedKeys = z.object({ trusted_keys: z.array(KeyFile) })
const Settings = z.object({ visibility: z.string() })

/**
 * Returns the token's account. Throws `unauthenticated` for a wrong token, and `unreachable` if no hart-depot
 * answers.
 */
export async function whoAmI(destination: RemoteDepot): Promise<string> {
  const found = await destination.get('/api/v1/whoami', NamedAccount)
  if (found === undefined) throw new RemoteError('unreachable', `${destination.url} is not a hart-depot`)
  return found.account
}

/** Checks that the depot has an account with this name. Throws `refused`. */
export async function expectAccount(destination: RemoteDepot, name: string): Promise<void> {
  const found = await destination.get(path`/api/v1/accounts/${name}`, NamedAccount)
  if (found === undefined)
    throw new RemoteError(
      'refused',
      `${destination.url} has no account ${name}: create it there with hart-depot account add`,
    )
}

/** Creates an origin, unless it exists already. */
export async function createOrigin(
  destination: RemoteDepot,
  name: string,
  visibility: 'public' | 'private',
): Promise<void> {
  await destination.send('POST', 'depot/origins', {
    body: JSON.stringify({ name, default_package_visibility: visibility }),
    expects: [201, 409],
  })
}

/** Transfers an origin from the token's account to another, which need not be a member yet. */
export async function transferOrigin(
  destination: RemoteDepot,
  origin: string,
  account: string,
): Promise<void> {
  await destination.send('PUT', path`/api/v1/origins/${origin}/members/${account}`, {
    body: '{"role":"administrator"}',
    expects: [200],
  })
  await destination.send('POST', path`depot/origins/${origin}/transfer/${account}`, { expects: [204] })
}

/** Adds a public key to its origin, unless it exists already. */
export async function addKey(
  destination: RemoteDepot,
  key: PublicKey,
  file: string = formatPublicKey(key),
): Promise<void> {
  await destination.send('POST', path`depot/origins/${key.origin}/keys/${key.revision}`, {
    body: file,
    expects: [200, 201, 409],
  })
}

/** Makes future releases of this package private. */
export async function makeNewReleasesPrivate(
  destination: RemoteDepot,
  { origin, name }: Ident,
): Promise<void> {
  const resource = path`settings/${origin}/${name}`
  await destination.send('POST', resource, { expects: [201, 409] })
  const settings = await destination.get(resource, Settings)
  if (settings?.visibility === 'public')
    await destination.send('PUT', resource, { body: '{"visibility":"private"}', expects: [200] })
}

/**
 * Uploads a package. Succeeds also if the release already exists with other bytes, so the caller must check
 * the bytes afterwards.
 */
export async function upload(
  destination: RemoteDepot,
  ident: Ident,
  file: { target: Target; checksum: string; bytes: Blob },
): Promise<void> {
  const { target, checksum, bytes } = file
  await destination.send(
    'POST',
    path`depot/pkgs/${formatIdent(ident)}?checksum=${checksum}&target=${target}`,
    { body: bytes, expects: [201, 409] },
  )
}

/** Sets the visibility of an ident for all of its targets. */
export async function setVisibility(
  destination: RemoteDepot,
  ident: Ident,
  visibility: 'public' | 'private',
): Promise<void> {
  await destination.send('PATCH', path`depot/pkgs/${formatIdent(ident)}/${visibility}`, { expects: [200] })
}

/**
 * Creates a channel. Like Builder (habitat-today.md 3.2), this route answers 401 to a valid token without the
 * right.
 */
export async function declareChannel(
  destination: RemoteDepot,
  origin: string,
  channel: string,
): Promise<void> {
  const status = await destination.send('POST', path`depot/channels/${origin}/${channel}`, {
    expects: [201, 401, 409],
  })
  if (status === 401)
    throw new RemoteError('refused', `the token may not create the channel ${channel} of ${origin}`)
}

/** Lists the releases of one package in a view. The list is empty if there is no such view. */
export async function listViewMembers(
  destination: RemoteDepot,
  place: { origin: string; channel: string; name: string },
): Promise<Member[]> {
  const members: Member[] = []
  const resource = path`/api/v1/views/${place.channel}/members?origin=${place.origin}&name=${place.name}&limit=1000`
  for await (const page of destination.pages(resource, Members)) members.push(...page.members)
  return members
}

/**
 * The set to promote: at most `MAX_NAMED_RELEASES` releases, or the text of a lockfile, which the destination
 * verifies itself. `exact` demotes releases that the lockfile lacks.
 */
export type PromotedSet =
  | { readonly releases: readonly Member[] }
  | { readonly lockfile: string; readonly exact: boolean }

export interface Promotion {
  readonly set: PromotedSet
  readonly reason: string
  /** If the view is at another revision, the promotion is refused. */
  readonly expectRevision?: number | string
}

/**
 * Promotes all or nothing, in one revision. A retry has the same idempotency key, so it does not promote
 * twice.
 */
export async function promote(
  destination: RemoteDepot,
  view: string,
  { set, reason, expectRevision }: Promotion,
): Promise<z.infer<typeof Promoted>> {
  const body = JSON.stringify({ ...set, reason, expect_revision: expectRevision })
  return destination.sendFor(
    path`/api/v1/views/${view}/promotions`,
    { body, headers: { 'idempotency-key': randomUUID() }, expects: [200] },
    Promoted,
  )
}

/** Demotes all or nothing, in one revision. */
export async function demote(
  destination: RemoteDepot,
  view: string,
  { releases, reason }: { releases: readonly Member[]; reason: string },
): Promise<void> {
  await destination.send('POST', path`/api/v1/views/${view}/demotions`, {
    body: JSON.stringify({ releases, reason }),
    headers: { 'idempotency-key': randomUUID() },
    expects: [200],
  })
}

/**
 * Returns the reasons why the gates of a view would refuse a promotion now; none if they allow it. Creates a
 * draft plan, which the destination deletes after an hour. Throws `refused` for other refusals.
 */
export async function listRefusals(
  destination: RemoteDepot,
  view: string,
  set: PromotedSet,
): Promise<string[]> {
  const { blocked } = await destination.sendFor(
    path`/api/v1/views/${view}/plans`,
    { body: JSON.stringify(set), expects: [201] },
    Planned,
  )
  return blocked.map(({ detail }) => detail)
}

/**
 * Returns the revision of a view, also in the form for `expect_revision`: with the id of the depot's history,
 * or as a bare number if the depot is too old for that. Throws `refused` if there is no such view, or if it
 * is closed.
 */
export async function getViewRevision(
  destination: RemoteDepot,
  view: string,
): Promise<{ revision: number; expected: number | string }> {
  const found = await destination.get(path`/api/v1/views/${view}`, View)
  if (found === undefined || found.closed_at !== null) {
    const hint =
      found === undefined
        ? (await suggestView(destination, view)) || ': an administrator can create it with POST /api/v1/views'
        : ' any more: it is closed'
    throw new RemoteError('refused', `${destination.url} has no view ${view}${hint}`)
  }
  return { revision: found.revision, expected: found.revision_id ?? found.revision }
}

/**
 * Returns a hint such as `; did you mean union?` for a view that does not exist, or an empty text if no name
 * is similar.
 */
async function suggestView(depot: RemoteDepot, view: string): Promise<string> {
  const { views } = (await depot.get('/api/v1/views?limit=1000', Views)) ?? { views: [] }
  return didYouMean(
    view,
    views.map(({ name }) => name),
  )
}

/** Lists the files of the keys whose lockfiles the depot accepts: its own keys and those that it trusts. */
export async function listLockfileKeys(destination: RemoteDepot): Promise<string[]> {
  const own = await destination.get('/api/v1/depot/keys', OwnKeys)
  const trusted = await destination.get('/api/v1/depot/trusted-keys', TrustedKeys)
  return [...(own?.keys ?? []), ...(trusted?.trusted_keys ?? [])].map(({ file }) => file)
}
