import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { didYouMean } from '../text/nearest.ts'
import { formatPublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { RemoteError, path } from './remote-depot.ts'
import type { RemoteDepot } from './remote-depot.ts'

// What is changed in the depot that is imported into, and what is read by its own door. All of it can be said twice.

/** A release as views hold it. */
export interface Member {
  readonly ident: string
  readonly target: Target
}

export function nameOf({ ident, target }: Member): string {
  return `${ident} for ${target}`
}

/** Why a release is not copied: none ever changes. */
export function differ(here: string | undefined, there: string): string {
  return `the destination has it with other bytes: ${here ?? 'none'} here, ${there} there`
}

const WhoAmI = z.object({ account: z.string() })
const Members = z.object({
  members: z.array(z.object({ ident: z.string(), target: z.enum(TARGETS) })),
  next: z.string().nullable(),
})
const Promoted = z.object({ revision: z.int(), changed: z.boolean() })
const Planned = z.object({ blocked: z.array(z.object({ detail: z.string() })) })
// An earlier version of the depot tells no revision_id.
const View = z.object({
  revision: z.int(),
  revision_id: z.string().optional(),
  closed_at: z.string().nullable(),
})
const Views = z.object({ views: z.array(z.object({ name: z.string() })) })
const Account = z.object({ account: z.string() })
const KeyFile = z.object({ file: z.string() })
const OwnKeys = z.object({ keys: z.array(KeyFile) })
const TrustedKeys = z.object({ trusted_keys: z.array(KeyFile) })
const Settings = z.object({ visibility: z.string() })

/** Whose the token is. Throws where it is none's, or where no hart-depot answers. */
export async function whoAmI(destination: RemoteDepot): Promise<string> {
  const found = await destination.get('/api/v1/whoami', WhoAmI)
  if (found === undefined) throw new RemoteError('unreachable', `${destination.url} is no hart-depot`)
  return found.account
}

/** Throws where no account there has this name. */
export async function expectAccount(destination: RemoteDepot, name: string): Promise<void> {
  const found = await destination.get(path`/api/v1/accounts/${name}`, Account)
  if (found === undefined)
    throw new RemoteError(
      'refused',
      `${destination.url} has no account ${name}: an administrator makes it there, by hart-depot account add`,
    )
}

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

/** Gives an origin of the token's account to another, who need not have been a member. */
export async function giveOrigin(destination: RemoteDepot, origin: string, account: string): Promise<void> {
  await destination.send('PUT', path`/api/v1/origins/${origin}/members/${account}`, {
    body: '{"role":"administrator"}',
    expects: [200],
  })
  await destination.send('POST', path`depot/origins/${origin}/transfer/${account}`, { expects: [204] })
}

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

/** Whether releases of this package that are uploaded from now on are not for everyone. */
export async function keepPrivate(destination: RemoteDepot, { origin, name }: Ident): Promise<void> {
  const asked = path`settings/${origin}/${name}`
  await destination.send('POST', asked, { expects: [201, 409] })
  const settings = await destination.get(asked, Settings)
  if (settings?.visibility === 'public')
    await destination.send('PUT', asked, { body: '{"visibility":"private"}', expects: [200] })
}

/** Offers a package. It may be there already, with these bytes or with others: look afterwards. */
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

/** For every target of the ident. */
export async function setVisibility(
  destination: RemoteDepot,
  ident: Ident,
  visibility: 'public' | 'private',
): Promise<void> {
  await destination.send('PATCH', path`depot/pkgs/${formatIdent(ident)}/${visibility}`, { expects: [200] })
}

/** Every failure of rights is 401 there, as it is Builder's way (habitat-today.md 3.2), and says nothing of the token. */
export async function declareChannel(
  destination: RemoteDepot,
  origin: string,
  channel: string,
): Promise<void> {
  const status = await destination.send('POST', path`depot/channels/${origin}/${channel}`, {
    expects: [201, 401, 409],
  })
  if (status === 401)
    throw new RemoteError('refused', `the token may not make the channel ${channel} of ${origin}`)
}

/** One package's releases in a view; none where there is no such view. */
export async function listViewMembers(
  destination: RemoteDepot,
  place: { origin: string; channel: string; name: string },
): Promise<Member[]> {
  const members: Member[] = []
  const list = path`/api/v1/views/${place.channel}/members`
  let asked: string | null = `${list}${path`?origin=${place.origin}&name=${place.name}&limit=1000`}`
  while (asked !== null) {
    const page: z.infer<typeof Members> | undefined = await destination.get(asked, Members)
    members.push(...(page?.members ?? []))
    // Of the next page's URL, only the query is new: the path that this depot is reached by may be one that it does not know.
    asked = typeof page?.next === 'string' ? `${list}${page.next.slice(page.next.indexOf('?'))}` : null
  }
  return members
}

/** How many releases a promotion takes by their names. */
export const MOST_NAMED = 10_000

/** What to promote: names, or the text of a lockfile that the destination verifies itself. With `exact`, what the lockfile does not name leaves. */
export type PromotedSet =
  | { readonly releases: readonly Member[] }
  | { readonly lockfile: string; readonly exact: boolean }

/** Where the view is at another revision than expected, nothing is promoted. */
export interface PromotionAsked {
  readonly what: PromotedSet
  readonly reason: string
  readonly expectRevision?: number | string
}

/** Promotes all or nothing, in one revision. A request whose answer was lost is repeated under its key, and so is one promotion. */
export async function promote(
  destination: RemoteDepot,
  view: string,
  { what, reason, expectRevision }: PromotionAsked,
): Promise<z.infer<typeof Promoted>> {
  const body = JSON.stringify({ ...what, reason, expect_revision: expectRevision })
  return destination.sendFor(
    path`/api/v1/views/${view}/promotions`,
    { body, headers: { 'idempotency-key': randomUUID() }, expects: [200] },
    Promoted,
  )
}

/** The sentences by which the rules of a view would refuse a promotion now. Makes a plan, which the destination forgets after an hour. Throws for all other refusals. */
export async function listRefusals(
  destination: RemoteDepot,
  view: string,
  what: PromotedSet,
): Promise<string[]> {
  const { blocked } = await destination.sendFor(
    path`/api/v1/views/${view}/plans`,
    { body: JSON.stringify(what), expects: [201] },
    Planned,
  )
  return blocked.map(({ detail }) => detail)
}

/** Which revision a view is at; `expected` names it such that it is no other in another history, where the depot does so. Throws where there is no such view. */
export async function getViewRevision(
  destination: RemoteDepot,
  view: string,
): Promise<{ revision: number; expected: number | string }> {
  const found = await destination.get(path`/api/v1/views/${view}`, View)
  if (found === undefined || found.closed_at !== null) {
    const meant =
      (await meantView(destination, view)) || ': an administrator makes it there, by POST /api/v1/views'
    throw new RemoteError('refused', `${destination.url} has no view ${view}${meant}`)
  }
  return { revision: found.revision, expected: found.revision_id ?? found.revision }
}

/** `; did you mean union?`, for the end of a message about a view that a depot does not have; nothing where it has it, or none that is near. */
export async function meantView(depot: RemoteDepot, view: string): Promise<string> {
  const { views } = (await depot.get('/api/v1/views?limit=1000', Views)) ?? { views: [] }
  const names = views.map(({ name }) => name)
  return names.includes(view) ? '' : didYouMean(view, names)
}

/** The key files of the depots whose lockfiles are taken there, its own too. */
export async function listLockfileKeys(destination: RemoteDepot): Promise<string[]> {
  const own = await destination.get('/api/v1/depot/keys', OwnKeys)
  const trusted = await destination.get('/api/v1/depot/trusted-keys', TrustedKeys)
  return [...(own?.keys ?? []), ...(trusted?.trusted_keys ?? [])].map(({ file }) => file)
}
