// The purposes for which secrets are encrypted. secret-box.ts decrypts a ciphertext only for the purpose for
// which it was made, so these texts must never change. sealed-store.ts lists where the secrets are stored.

/** The secret signing key of an origin. `revision` is 14 digits. */
export function secretKeyPurpose(origin: string, revision: string): string {
  return `origin secret key ${origin}-${revision}`
}

/** The private half of the key that encrypts for an origin. `revision` is 14 digits. */
export function encryptionKeyPurpose(origin: string, revision: string): string {
  return `origin encryption key ${origin}-${revision}`
}

/** A secret of an origin, such as a password that builds need. */
export function originSecretPurpose(origin: string, name: string): string {
  return `origin secret ${origin} ${name}`
}

/** The settings of an integration, which contain credentials. */
export function integrationPurpose(origin: string, { type, name }: { type: string; name: string }): string {
  return `integration ${origin} ${type} ${name}`
}

/** The private half of a key of the depot. `id` is the id of its public half. */
export function depotKeyPurpose(id: string): string {
  return `depot key ${id}`
}

/** The URL of a webhook. `key` is the random key of the webhook. */
export function webhookUrlPurpose(key: string): string {
  return `webhook url ${key}`
}

/** The secret that signs the requests of a webhook. `key` is the random key of the webhook. */
export function webhookSecretPurpose(key: string): string {
  return `webhook secret ${key}`
}

/** A token that is kept for some days, so that a repeated request with its idempotency key gets it again. */
export const TOKEN_PURPOSE = 'token of a repeated request'
