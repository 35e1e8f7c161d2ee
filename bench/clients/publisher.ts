import { createReadStream } from 'node:fs'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HartDigest } from '../../src/hart/digest.ts'
import { formatPublicKey, generateKeyPair } from '../../src/hart/origin-key.ts'
import type { SecretKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import type { Ident } from '../../src/package/ident.ts'

export const TOKEN = 'administrator-token-of-the-benches'
export const ORIGIN = 'acme'
export const TARGET = 'x86_64-linux'
const UPLOAD_PIECE_BYTES = 256 * 1024

/** Creates an origin with a key, by default a new one, and returns the secret key. */
export async function introduce(
  port: number,
  origin = ORIGIN,
  { publicKey, secretKey } = generateKeyPair(origin, Date.now()),
): Promise<SecretKey> {
  await send(port, 'POST', '/v1/depot/origins', Readable.from([JSON.stringify({ name: origin })]))
  await send(
    port,
    'POST',
    `/v1/depot/origins/${origin}/keys/${publicKey.revision}`,
    Readable.from([formatPublicKey(publicKey)]),
  )
  return secretKey
}

/**
 * Uploads like `hab`, without a Content-Length. `again` repeats an existing upload; only the rename of the
 * blob is left out.
 */
export async function upload(
  port: number,
  ident: Ident,
  hart: { path: string; checksum: string; again?: boolean },
): Promise<void> {
  await send(
    port,
    'POST',
    uploadPath(ident, hart),
    createReadStream(hart.path, { highWaterMark: UPLOAD_PIECE_BYTES }),
  )
}

export function uploadPath(ident: Ident, { checksum, again }: { checksum: string; again?: boolean }): string {
  const query = new URLSearchParams({ checksum, target: TARGET, forced: String(again === true) })
  return `/v1/depot/pkgs/${formatIdent(ident)}?${query.toString()}`
}

/** Creates a channel, which must exist before the origin promotes into it. */
export async function createChannel(port: number, name: string): Promise<void> {
  await send(port, 'POST', `/v1/depot/channels/${ORIGIN}/${name}`, Readable.from([]))
}

export async function promote(
  port: number,
  ident: Ident,
  view: string,
  act: 'promote' | 'demote' = 'promote',
): Promise<void> {
  const { origin, name, version, release } = ident
  await send(
    port,
    'PUT',
    `/v1/depot/channels/${origin}/${view}/pkgs/${name}/${version}/${release}/${act}?target=${TARGET}`,
    Readable.from([]),
  )
}

/** BLAKE2b-256 of a hart file. */
export async function checksumOf(path: string): Promise<string> {
  const digest = new HartDigest()
  for await (const piece of createReadStream(path, { highWaterMark: UPLOAD_PIECE_BYTES }))
    digest.update(piece as Buffer)
  return digest.finish().checksum
}

async function send(port: number, method: string, path: string, body: Readable): Promise<void> {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    connection: 'close',
    'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)`,
  }
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers })
  const answered = Promise.withResolvers<void>()
  outgoing.on('error', answered.reject)
  outgoing.on('response', (response) => {
    response.resume()
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) response.on('end', answered.resolve)
    else answered.reject(new Error(`${method} ${path} was answered ${status}`))
  })
  await Promise.all([pipeline(body, outgoing), answered.promise])
}
