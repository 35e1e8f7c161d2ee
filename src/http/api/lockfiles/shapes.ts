import { z } from 'zod'
import { CHECKSUM, HASH, IDENT, NOW, TARGET, YESTERDAY } from '../conventions/examples.ts'
import { Time, named } from '../conventions/shapes.ts'

const KeyId = z.string().describe('the first 32 hexadecimal characters of the SHA-256 of the raw key')
const KeyFile = z
  .string()
  .describe('the key file: the lines "hart-depot-key 1", id, and base64 of the raw Ed25519 key')

const EXAMPLE = {
  key: 'f0e96c34870f6c60d02cc39021adfbe8',
  file: 'hart-depot-key 1\nf0e96c34870f6c60d02cc39021adfbe8\nI/qkPYCRb51m7QP4EjVTXsKyPpj38P2mK520Kv9IESg=\n',
}
/** Signed with the key of the example. */
const LOCKFILE = `hart-depot-lock 1
depot https://depot.example.com
view union
revision 8
at ${NOW}
ledger 812 ${HASH}
filter -
audience public
skipped 0
absent 0

${IDENT} ${TARGET} ${CHECKSUM} 1048576
signature f0e96c34870f6c60d02cc39021adfbe8 61IWlDcBM1vw1Qs8v0NfBzDoHfs9srHUYSHJjZCww+alpFrPN7mRrCXmI8LcYXUjWQdn9jtHkoWTJI/GkOjxCA==
`

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
  { keys: [{ ...EXAMPLE, made_at: YESTERDAY }] },
)

export const TrustedKey = named(
  'TrustedKey',
  z
    .object({ name: z.string(), key: KeyId, added_at: Time, file: KeyFile })
    .describe('a key of another depot'),
  { name: 'factory', ...EXAMPLE, added_at: NOW },
)
export const TrustedKeys = named('TrustedKeys', z.object({ trusted_keys: z.array(TrustedKey) }), {
  trusted_keys: [{ name: 'factory', ...EXAMPLE, added_at: NOW }],
})

export const KeyFileText = named('KeyFile', KeyFile, EXAMPLE.file)

export const LockfileText = named(
  'Lockfile',
  z.string().describe('a header, one line per release, and a signature'),
  LOCKFILE,
)
