import { z } from 'zod'
import { DepotError } from '../errors.ts'

/** The first administrator's token. */
export const AdminToken = z
  .string()
  .regex(/^[!-~]{32,}$/, 'must have at least 32 visible ASCII characters and no spaces')

const MAX_SECRET_KEYS = 16

/** The keys of stored secrets, as hex characters, with spaces, line breaks or commas between them. */
export const SecretKeys = z
  .string()
  .regex(/^[0-9a-fA-F]{64}([\s,]+[0-9a-fA-F]{64})*$/, 'must be 64 hex characters for each key')
  .transform((text) => text.split(/[\s,]+/).map((key) => Buffer.from(key, 'hex')))
  .refine((keys) => keys.length <= MAX_SECRET_KEYS, `must have at most ${MAX_SECRET_KEYS} keys`)

/** Parses the contents of `DEPOT_ADMIN_TOKEN_FILE`. Throws `invalid_request`. */
export function parseAdminToken(text: string, file: string): string {
  return parseSecret(AdminToken, text, file)
}

/** Parses the contents of `DEPOT_SECRET_KEY_FILE` or `secret.key`. Throws `invalid_request`. */
export function parseSecretKeys(text: string, file: string): readonly Buffer[] {
  return parseSecret(SecretKeys, text, file)
}

function parseSecret<T>(shape: z.ZodType<T>, text: string, file: string): T {
  const parsed = shape.safeParse(text)
  if (parsed.success) return parsed.data
  throw new DepotError(
    'invalid_request',
    `the secret in ${file} ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
  )
}
