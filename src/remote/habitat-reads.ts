import { z } from 'zod'
import { METAFILES } from '../hart/metadata.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { UNSTABLE } from '../views/view.ts'
import { path } from './resource-path.ts'
import type { RemoteDepot } from './remote-depot.ts'

// Reads from a depot over the Habitat protocol, which Builder and hart-depot share (habitat-today.md 3).
// Names in the answers are not validated: parse them before using one in a path.

const OriginShape = z.object({ default_package_visibility: z.string(), owner_account: z.string().nullish() })
const KeysShape = z.array(z.object({ revision: z.string() }))
const NamedShape = z.object({ name: z.string() })
const ListedShape = z.object({ version: z.string(), release: z.string(), platforms: z.array(z.string()) })
const MemberShape = z.object({ version: z.string(), release: z.string() })
const PackageShape = z.looseObject({
  checksum: z.string(),
  target: z.string(),
  visibility: z.string(),
  size: z.int().nonnegative().nullish(),
})

const EventShape = z.object({
  operation: z.string(),
  created_at: z.string(),
  origin: z.string(),
  channel: z.string(),
  package_ident: z.object({ origin: z.string(), name: z.string(), version: z.string(), release: z.string() }),
})

const IdentShape = z.object({
  origin: z.string(),
  name: z.string(),
  version: z.string(),
  release: z.string(),
})
// The depot stores descriptions, so their texts must be such as the metafiles of a package can have.
const limited = (metafile: keyof typeof METAFILES) =>
  z
    .string()
    .refine((text) => Buffer.byteLength(text) <= METAFILES[metafile], `is larger than a ${metafile} can be`)
    .refine((text) => !text.includes('\0'), 'contains a NUL')
const Dependencies = z
  .array(IdentShape)
  .refine((idents) => sizeOfList(idents) <= METAFILES.TDEPS, 'are more dependencies than a package can have')
const Exposes = z.array(z.int()).max(METAFILES.EXPOSES / 2)

/** In a channel, Builder and hart-depot leave out the size. */
const DetailShape = z.object({
  checksum: z.string().regex(/^[0-9a-f]{64}$/, 'is not a BLAKE2b-256 in hex'),
  target: z.string(),
  visibility: z.string(),
  manifest: limited('MANIFEST'),
  config: limited('default.toml').nullish(),
  deps: Dependencies,
  tdeps: Dependencies,
  build_deps: Dependencies.nullish(),
  build_tdeps: Dependencies.nullish(),
  exposes: Exposes.nullish(),
  package_type: z.string().nullish(),
})

export type ReleaseDetail = z.infer<typeof DetailShape>
export type ListedRelease = z.infer<typeof ListedShape>
/** A package as the depot describes it, with all fields of the answer. */
export type FoundRelease = z.infer<typeof PackageShape>

export function findOrigin(
  depot: RemoteDepot,
  origin: string,
): Promise<z.infer<typeof OriginShape> | undefined> {
  return depot.get(path`depot/origins/${origin}`, OriginShape)
}

/** Lists the revisions of an origin's public keys. */
export async function listKeyRevisions(depot: RemoteDepot, origin: string): Promise<string[]> {
  return ((await depot.get(path`depot/origins/${origin}/keys`, KeysShape)) ?? []).map(
    ({ revision }) => revision,
  )
}

/** Returns the text of a public key file. */
export function findKey(
  depot: RemoteDepot,
  key: { origin: string; revision: string },
): Promise<string | undefined> {
  return depot.getText(path`depot/origins/${key.origin}/keys/${key.revision}`)
}

export async function* listPackageNames(depot: RemoteDepot, origin: string): AsyncGenerator<string> {
  for await (const { name } of depot.list(path`depot/pkgs/${origin}?distinct=true`, NamedShape)) yield name
}

export function listReleases(
  depot: RemoteDepot,
  origin: string,
  name: string,
): AsyncGenerator<ListedRelease> {
  return depot.list(path`depot/pkgs/${origin}/${name}`, ListedShape)
}

export async function listChannels(depot: RemoteDepot, origin: string): Promise<string[]> {
  return ((await depot.get(path`depot/channels/${origin}`, z.array(NamedShape))) ?? []).map(
    ({ name }) => name,
  )
}

/** Lists one package's releases in a channel. The list has no targets; see {@link isMember}. */
export function listMembers(
  depot: RemoteDepot,
  place: { origin: string; channel: string; name: string },
): AsyncGenerator<z.infer<typeof MemberShape>> {
  return depot.list(path`depot/channels/${place.origin}/${place.channel}/pkgs/${place.name}`, MemberShape)
}

/** Lists all idents in a channel, without targets. */
export function listIdentsInChannel(
  depot: RemoteDepot,
  { origin, channel }: { origin: string; channel: string },
): AsyncGenerator<z.infer<typeof IdentShape>> {
  return depot.list(path`depot/channels/${origin}/${channel}/pkgs`, IdentShape)
}

/** Finds all that a depot tells of a member of a channel; `undefined` if the release is not a member. */
export async function findDetail(
  depot: RemoteDepot,
  channel: string,
  ident: Ident,
  target: Target,
): Promise<ReleaseDetail | undefined> {
  const found = await depot.get(pathInChannel(channel, ident, target), DetailShape)
  return found?.target === target ? found : undefined
}

/**
 * Lists promotions and demotions of single releases between two days (YYYY-MM-DD, inclusive), newest first.
 * `words` is a search, so other origins may be among them.
 */
export function listEvents(
  depot: RemoteDepot,
  { from, to, words }: { from: string; to: string; words: string },
): AsyncGenerator<z.infer<typeof EventShape>> {
  return depot.list(path`depot/events?from_date=${from}&to_date=${to}&query=${words}`, EventShape)
}

/** Reports whether a release for one target is in a channel. */
export async function isMember(
  depot: RemoteDepot,
  channel: string,
  ident: Ident,
  target: Target,
): Promise<boolean> {
  return (await findInChannel(depot, channel, ident, target)) !== undefined
}

/**
 * Finds a release for one target. Outside of channels, Builder returns the size and ignores `target`; in a
 * channel, it respects `target` and returns no size. If the answer is for another target, the release is
 * requested again in `unstable`, which has every release and respects `target`.
 */
export async function findRelease(
  depot: RemoteDepot,
  ident: Ident,
  target: Target,
): Promise<FoundRelease | undefined> {
  const found = await depot.get(path`depot/pkgs/${formatIdent(ident)}?target=${target}`, PackageShape)
  return found === undefined || found.target === target
    ? found
    : findInChannel(depot, UNSTABLE, ident, target)
}

async function findInChannel(
  depot: RemoteDepot,
  channel: string,
  ident: Ident,
  target: Target,
): Promise<FoundRelease | undefined> {
  const found = await depot.get(pathInChannel(channel, ident, target), PackageShape)
  return found?.target === target ? found : undefined
}

function pathInChannel(channel: string, { origin, name, version, release }: Ident, target: Target): string {
  return path`depot/channels/${origin}/${channel}/pkgs/${name}/${version}/${release}?target=${target}`
}

/** Returns the size in bytes of a metafile that lists these idents, one a line. */
function sizeOfList(idents: readonly z.infer<typeof IdentShape>[]): number {
  let bytes = 0
  for (const { origin, name, version, release } of idents)
    bytes += Buffer.byteLength(`${origin}/${name}/${version}/${release}\n`)
  return bytes
}
