import type { LedgerEntry } from '../ledger/entry.ts'
import { fieldsOf } from '../events/event-fields.ts'
import type { SecretBox } from '../origins/secret-box.ts'
import { webhookSecretPurpose, webhookUrlPurpose } from '../origins/secret-purposes.ts'
import type { Message } from './send.ts'
import { signedHeaders } from './signature.ts'
import type { Webhook } from './webhook.ts'

/** Returns the JSON body for an entry, with the fields of `/api/v1/events`. */
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

/** Returns the URL of a webhook; `undefined` if it is encrypted with another secret key. */
export function urlOf({ sealedUrl, key }: Webhook, secrets: SecretBox): string | undefined {
  try {
    return secrets.open(sealedUrl, webhookUrlPurpose(key))
  } catch {
    return undefined
  }
}

/**
 * Builds the signed message of an attempt at `at`. Throws if the URL or a secret was encrypted with
 * another secret key of the depot.
 */
export function outgoing(
  webhook: Webhook,
  { id, body, at }: { id: string; body: string; at: number },
  secrets: SecretBox,
): Message {
  const { key, sealedUrl, sealedSecret, previous } = webhook
  const sealedSecrets = [
    sealedSecret,
    ...(previous !== undefined && at < previous.until ? [previous.sealedSecret] : []),
  ]
  return {
    url: new URL(secrets.open(sealedUrl, webhookUrlPurpose(key))),
    headers: {
      'content-type': 'application/json',
      'user-agent': 'hart-depot',
      ...signedHeaders(
        { id, at, body },
        sealedSecrets.map((sealed) => secrets.open(sealed, webhookSecretPurpose(key))),
      ),
    },
    body,
  }
}
