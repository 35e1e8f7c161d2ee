import type { LedgerEntry } from '../ledger/entry.ts'
import { fieldsOf } from '../events/event-fields.ts'
import type { SecretBox } from '../origins/secret-box.ts'
import type { Message } from './send.ts'
import { signedHeaders } from './signature.ts'
import { secretPurpose, urlPurpose } from './webhook.ts'
import type { Webhook } from './webhook.ts'

/** The JSON that tells of an entry: when, who (the account's name) and what, as `/api/v1` says it, with the hash that ends the ledger's chain there. */
export function bodyOf({ sequence, at, event, hash }: LedgerEntry, account: string | undefined): string {
  return JSON.stringify({
    sequence,
    at: new Date(at).toISOString(),
    kind: event.kind,
    actor: account ?? null,
    event: fieldsOf(event),
    hash,
  })
}

/** Where it is sent; `undefined` where that was encrypted with another secret key than the depot was started with. */
export function urlOf({ sealedUrl, key }: Webhook, secrets: SecretBox): string | undefined {
  try {
    return secrets.open(sealedUrl, urlPurpose(key))
  } catch {
    return undefined
  }
}

/** A signed message to a webhook's receiver, for an attempt at `at`. Throws where URL or secret were encrypted with another key. */
export function outgoing(
  webhook: Webhook,
  { id, body, at }: { id: string; body: string; at: number },
  secrets: SecretBox,
): Message {
  const { key, sealedUrl, sealedSecret, previous } = webhook
  const signing = [
    sealedSecret,
    ...(previous !== undefined && at < previous.until ? [previous.sealedSecret] : []),
  ]
  return {
    url: new URL(secrets.open(sealedUrl, urlPurpose(key))),
    headers: {
      'content-type': 'application/json',
      'user-agent': 'hart-depot',
      ...signedHeaders(
        { id, at, body },
        signing.map((sealed) => secrets.open(sealed, secretPurpose(key))),
      ),
    },
    body,
  }
}
