import { lookup } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { guardedLookup, refusalOfAddress } from '../guarded-lookup.ts'
import type { AddressGuard } from '../guarded-lookup.ts'
import { AddressPolicy, isSecure } from '../text/address-ranges.ts'

// Requests to issuers. Their answers decide who gets tokens, so only https is trusted. The answers also name
// further URLs, so every request checks the address to which it connects.

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

/** The setting that allows requests to issuers at private addresses. */
export const ISSUER_NETWORKS = 'DEPOT_ISSUER_NETWORKS'
export const MAX_ISSUER_REPLY_BYTES = 512 * 1_024
const ISSUER_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 16 * 1_024

const { request: requestPlainly } = process.getBuiltinModule('node:http')
const { request: requestSecurely } = process.getBuiltinModule('node:https')

/** Returns the options that allow issuers at public addresses and in these networks (CIDR). */
export function issuerRequestOptions(networks: readonly string[] | 'any'): IssuerRequestOptions {
  return {
    addressPolicy: new AddressPolicy(networks),
    lookup: (hostname, done) => lookup(hostname, { all: true }, done),
    setting: ISSUER_NETWORKS,
    timeoutMs: ISSUER_TIMEOUT_MS,
  }
}

/**
 * Makes a request on a connection of its own, which is closed at the end. Rejects with an Error if the URL is
 * not https (loopback addresses may use http), if the address is not allowed, if the connection fails, if the
 * whole answer does not arrive within `timeoutMs`, or if its body is larger than
 * {@link MAX_ISSUER_REPLY_BYTES}. Returns redirects without following them.
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
  let isAnswered = false
  client.once('response', (answer) => {
    isAnswered = true
    readReply(answer).then(resolve, reject)
  })
  client.on('error', reject)
  client.once('close', () => {
    clearTimeout(timeout)
    if (!isAnswered) reject(new Error('closed without an answer')) // status 101 gives no error
  })
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
