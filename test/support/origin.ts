import type { OutgoingHttpHeaders } from 'node:http'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from './ask.ts'
import type { Answer } from './ask.ts'
import { buildHart, makeKeys } from './build-hart.ts'
import type { BuildHartOptions, BuiltHart } from './build-hart.ts'
import { ADMIN_TOKEN } from './start-depot.ts'
import type { TestDepot } from './start-depot.ts'

/** Creates an origin with the key that `buildHart` uses. By default, the administrator owns it. */
export async function makeOrigin({ depot }: TestDepot, name = 'acme', ownerId = 1): Promise<void> {
  const actor = { client: 'tests', door: 'cli' } as const
  const { publicKey } = makeKeys(name)
  await depot.writer.submit({ kind: 'createOrigin', input: { name, ownerId }, actor })
  const input = {
    origin: name,
    revision: publicKey.revision,
    ownerId,
    publicBody: formatPublicKey(publicKey),
  }
  await depot.writer.submit({ kind: 'addKey', input, actor })
}

export function bearer(token: string = ADMIN_TOKEN): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** Returns the path to upload a package to, below the depot's URL. */
export function uploadPath(hart: BuiltHart, query: Readonly<Record<string, string>> = {}): string {
  const parameters = new URLSearchParams({ checksum: hart.checksum, target: hart.target, ...query })
  return `/v1/depot/pkgs/${formatIdent(hart.ident)}?${parameters.toString()}`
}

/** Uploads a package in one piece. By default, the headers have the administrator's token. */
export async function upload(
  { url }: Pick<TestDepot, 'url'>,
  hart: BuiltHart,
  options: { query?: Readonly<Record<string, string>>; headers?: OutgoingHttpHeaders; body?: Buffer } = {},
): Promise<Answer> {
  const { query, headers = bearer(), body = hart.bytes } = options
  return ask(url + uploadPath(hart, query), { method: 'POST', headers, body })
}

/** Uploads packages one after another. Throws if one is refused. */
export async function publishAll(
  started: TestDepot,
  ...packages: readonly (BuildHartOptions | string)[]
): Promise<BuiltHart[]> {
  const harts = packages.map((options) =>
    buildHart(typeof options === 'string' ? { ident: options } : options),
  )
  for (const hart of harts) {
    const answer = await upload(started, hart)
    if (answer.status !== 201)
      throw new Error(`${formatIdent(hart.ident)} was refused: ${answer.status} ${answer.text}`)
  }
  return harts
}

/** Promotes or demotes over HTTP, into a view or a channel of the release's origin. */
export async function promoteTo(
  { url }: Pick<TestDepot, 'url'>,
  view: string,
  hart: BuiltHart,
  act: 'promote' | 'demote' = 'promote',
): Promise<Answer> {
  const { origin, name, version, release } = hart.ident
  const path = `/v1/depot/channels/${origin}/${view}/pkgs/${name}/${version}/${release}/${act}?target=${hart.target}`
  return ask(url + path, { method: 'PUT', headers: { ...bearer(), 'content-length': 0 } })
}
