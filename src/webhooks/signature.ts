import { createHmac, randomBytes } from 'node:crypto'

// Standard Webhooks 1.0 (standardwebhooks.com): a secret is `whsec_` followed by base64; the signed text is
// `{id}.{timestamp}.{body}`.

const PREFIX = 'whsec_'
const SECRET_BYTES = 32 // the specification allows 24 to 64

/** Generates a secret that signs the deliveries of one webhook. */
export function generateSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/**
 * Returns the headers of a delivery attempted at the time `at` (epoch milliseconds), with a signature for
 * each secret. A receiver that has any one of the secrets can verify the message.
 */
export function signedHeaders(
  message: { id: string; at: number; body: string },
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(message.at / 1_000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${message.id}.${timestamp}.${message.body}`).digest('base64')}`
  })
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}
