import { z } from 'zod'
import { DepotError } from '../errors.ts'

// The file manifest.json of a backup. It is written last, so a folder without one is not a backup.

/** The format that this version writes. Later versions read all earlier formats. */
const FORMAT = 1

const Checksum = z.string().regex(/^[0-9a-f]{64}$/)

const Stored = z.object({
  format: z.number().int(),
  id: z.string(),
  /** When the database was copied, as RFC 3339. */
  taken_at: z.iso.datetime(),
  hart_depot: z.string(),
  /** The hash of the first entry of the ledger. It differs from depot to depot, so it names the depot. */
  depot: Checksum,
  incarnation: z.string().nullable(),
  ledger: z.object({ sequence: z.number().int(), hash: Checksum }),
  /** The ids of the keys that encrypt the secrets in the database, and whether the backup has the key. */
  secret_keys: z.array(z.string()),
  has_secret_key: z.boolean(),
  packages: z.number().int(),
  package_bytes: z.number().int(),
  database_bytes: z.number().int(),
  /** The BLAKE2b-256 of the file CHECKSUMS. */
  checksums: Checksum,
  /**
   * Packages whose bytes could not be copied. At most the first 100; `damaged_in_all` is the number of all.
   */
  damaged: z.array(z.object({ checksum: Checksum, damage: z.string(), idents: z.array(z.string()) })),
  damaged_in_all: z.number().int(),
})

/** The description of a backup. Sizes are in bytes. */
export type Manifest = Readonly<z.infer<typeof Stored>>

/** A package whose bytes could not be copied, and why. */
export type DamagedBlob = Manifest['damaged'][number]

/** Parses the text of a manifest. Throws `invalid_request`, also for a format of a later version. */
export function parseManifest(text: string, place: string): Manifest {
  const json = jsonOf(text)
  const format = z.object({ format: z.number() }).safeParse(json)
  if (format.success && format.data.format > FORMAT)
    throw new DepotError(
      'invalid_request',
      `${place} was written by a later version of hart-depot: use that version`,
    )
  const parsed = Stored.safeParse(json)
  if (!parsed.success) throw new DepotError('invalid_request', `${place} is not the manifest of a backup`)
  return parsed.data
}

export function formatManifest(manifest: Omit<Manifest, 'format'>): string {
  return `${JSON.stringify({ format: FORMAT, ...manifest }, undefined, 2)}\n`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
