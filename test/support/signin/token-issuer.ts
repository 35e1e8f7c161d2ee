import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { START } from '../start-depot.ts'

type Behaviour = (answer: ServerResponse, path: string) => void

/** A server that issues ID tokens and publishes its keys, as CI systems do. */
export interface TokenIssuer {
  /** `http://127.0.0.1:PORT`, which is also the issuer in its tokens. */
  readonly url: string
  /** The paths of all requests so far. */
  readonly asked: string[]
  /** Signs an ID token of the audience `AUDIENCE`, valid for five minutes from START. */
  sign(claims: Readonly<Record<string, unknown>>, key?: SigningKey): Promise<string>
  /** Signs with a new key from now on, and publishes it. */
  rotate(): Promise<SigningKey>
  /** Answers every request with `behaviour`; without one, with the documents of an issuer again. */
  behave(behaviour?: Behaviour): void
}

export interface SigningKey {
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export const AUDIENCE = 'https://depot.example'

export async function makeSigningKey(kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
}

export async function startTokenIssuer(t: {
  teardown(fn: () => Promise<void>): unknown
}): Promise<TokenIssuer> {
  const asked: string[] = []
  let keys = 0
  let current = await makeSigningKey('key-0')
  let behaviour: Behaviour | undefined
  const server = createServer((request, answer) => {
    const path = request.url ?? ''
    asked.push(path)
    if (behaviour !== undefined) return behaviour(answer, path)
    const documents: Readonly<Record<string, object>> = {
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/keys` },
      '/keys': { keys: [current.jwk] },
    }
    const document = documents[path]
    answer.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    answer.end(JSON.stringify(document ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const seconds = Math.floor(START / 1_000)
  return {
    url,
    asked,
    sign: (claims, { privateKey, jwk } = current) =>
      new SignJWT({ iss: url, aud: AUDIENCE, sub: 'job', iat: seconds, exp: seconds + 300, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
        .sign(privateKey),
    async rotate() {
      keys += 1
      return (current = await makeSigningKey(`key-${keys}`))
    },
    behave: (next) => void (behaviour = next),
  }
}
