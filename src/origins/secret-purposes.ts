// What secrets are encrypted for. A ciphertext can be decrypted only for the purpose that it was made for
// (secret-box.ts), so a purpose must never change. sealed-store.ts knows where the secrets of each purpose are.

export function secretKeyPurpose(origin: string, revision: string): string {
  return `origin secret key ${origin}-${revision}`
}

export function encryptionKeyPurpose(origin: string, revision: string): string {
  return `origin encryption key ${origin}-${revision}`
}

export function originSecretPurpose(origin: string, name: string): string {
  return `origin secret ${origin} ${name}`
}

export function integrationPurpose(origin: string, { type, name }: { type: string; name: string }): string {
  return `integration ${origin} ${type} ${name}`
}

/** The private half of one of the depot's own keys. */
export function depotKeyPurpose(id: string): string {
  return `depot key ${id}`
}

/** `key` is the random key of the webhook. */
export function webhookUrlPurpose(key: string): string {
  return `webhook url ${key}`
}

export function webhookSecretPurpose(key: string): string {
  return `webhook secret ${key}`
}

/** The secret of a token, which a repeated request with the same idempotency key gets again. */
export const TOKEN_PURPOSE = 'token of a repeated request'
