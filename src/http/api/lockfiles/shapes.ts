import { z } from 'zod'
import { Time, named } from '../conventions/shapes.ts'

const KeyId = z.string().describe('the first 32 hexadecimal characters of the SHA-256 of the raw key')
const KeyFile = z
  .string()
  .describe('the key file: the lines "hart-depot-key 1", id, and base64 of the raw Ed25519 key')

export const OwnKeyPath = z.object({
  key: z.string().regex(/^(current|[0-9a-f]{32})$/, 'must be current, or the id of a key'),
})
export const TrustedKeyPath = z.object({ name: z.string() })

const DepotKey = named(
  'DepotKey',
  z.object({ key: KeyId, made_at: Time, file: KeyFile }).describe("one of the depot's own keys"),
)
export const DepotKeys = named(
  'DepotKeys',
  z.object({ keys: z.array(DepotKey).describe('the signing key comes first') }),
)

export const TrustedKey = named(
  'TrustedKey',
  z
    .object({ name: z.string(), key: KeyId, added_at: Time, file: KeyFile })
    .describe('a key of another depot'),
)
export const TrustedKeys = named('TrustedKeys', z.object({ trusted_keys: z.array(TrustedKey) }))
