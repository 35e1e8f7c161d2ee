import { lookup } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { guardedLookup, refusalOfAddress } from '../guarded-lookup.ts'
import type { AddressGuard } from '../guarded-lookup.ts'
import { AddressPolicy, isSecure } from '../text/address-ranges.ts'

// Requests to issuers. What they answer decides who may come in, and their documents name further URLs.

/** An answer of an issuer. */
export interface IssuerReply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface IssuerRequestOptions extends AddressGuard {
  /** The limit for the whole request, from the lookup to the last byte. */
  readonly timeoutMs: number
}

/** The setting that lets the depot reach issuers that are not public. */
export const ISSUER_NETWORKS = 'DEPOT_ISSUER_NETWORKS'
export const MAX_ISSUER_REPLY_BYTES = 512 * 1_024
const ISSUER_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 16 * 1_024

const { request: requestPlainly } = process.getBuiltinModule('node:http')
const { request: requestSecurely } = process.getBuiltinModule('node:https')

/** Returns the options for issuers at public addresses and in these networks. */
export function issuersIn(networks: readonly string[] | 'any'): IssuerRequestOptions {
  return {
    addressPolicy: new AddressPolicy(networks),
    lookup: (hostname, done) => lookup(hostname, { all: true }, done),
    setting: ISSUER_NETWORKS,
    timeoutMs: ISSUER_TIMEOUT_MS,
  }
}

/**
 * Makes a request. Rejects for a URL that is not https, an address that is not allowed, no complete answer in
 * time, and an answer of more than {@link MAX_ISSUER_REPLY_BYTES}. Redirects are returned and not followed.
 */
export async function requestIssuer(
  url: URL,
  { method, headers, body }: { method: string; headers: Readonly<Record<string, string>>; body?: string },
  options: IssuerRequestOptions,
): Promise<IssuerReply> {
  if (!isSecure(url)) throw new Error(`${url.href} is not https`)
  const forbidden = refusalOfAddress(url, options)
  if (forbidden !== undefined) throw new Error(forbidden)
  const { promise, resolve, reject } = Promise.withResolvers<IssuerReply>()
  const request = url.protocol === 'https:' ? requestSecurely : requestPlainly
  const client = request(url, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    agent: false, // opens a connection for this request alone
    lookup: guardedLookup(options),
    maxHeaderSize: MAX_HEADER_BYTES,
  })
  const timeout = setTimeout(
    () => client.destroy(new Error(`not answered within ${options.timeoutMs / 1_000} s`)),
    options.timeoutMs,
  )
  client.once('response', (answer) => void readReply(answer).then(resolve, reject))
  client.on('error', reject)
  client.once('close', () => clearTimeout(timeout))
  client.end(body)
  try {
    return await promise
  } finally {
    client.destroy()
  }
}

async function readReply(answer: IncomingMessage): Promise<IssuerReply> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_ISSUER_REPLY_BYTES)
      throw new Error(`answered more than ${MAX_ISSUER_REPLY_BYTES / 1_024} KiB`)
    chunks.push(chunk)
  }
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }
}
