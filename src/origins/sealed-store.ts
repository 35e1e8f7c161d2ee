import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Db } from '../database/database.ts'
import { CIPHERTEXT_ID_LENGTH, KEY_ID_LENGTH } from './secret-box.ts'
import {
  depotKeyPurpose,
  encryptionKeyPurpose,
  integrationPurpose,
  originSecretPurpose,
  secretKeyPurpose,
  TOKEN_PURPOSE,
  webhookSecretPurpose,
  webhookUrlPurpose,
} from './secret-purposes.ts'

/** A stored secret. */
export interface SealedSecret {
  readonly place: Place | typeof REPLAYS
  /** The key of its row. */
  readonly id: number | string
  readonly sealed: string
  readonly purpose: string
}

/** A new ciphertext of a stored secret. */
export interface Resealed extends Omit<SealedSecret, 'purpose'> {
  /** The start of the ciphertext that it replaces, with {@link CIPHERTEXT_ID_LENGTH} characters. */
  readonly replaces: string
}

/** `table.column` of each column that holds ciphertexts. */
type Place = keyof typeof PLACES

interface Column {
  /** Selects `id`, `sealed`, and the parts of the purpose in `names`, separated by spaces. */
  readonly rows: RawBuilder<unknown>
  readonly purpose: (names: readonly string[]) => string
}

/** The outcomes of repeated requests, which may hold the encrypted secret of a token in their JSON. */
const REPLAYS = 'idempotency_keys.outcome'

// Names of origins, revisions, keys and types have no spaces. A part that may have spaces comes last.
const PLACES = {
  'origin_keys.body': {
    rows: sql`SELECT k.id, k.body AS sealed, k.kind || ' ' || o.name || ' ' || k.revision AS names
      FROM origin_keys k JOIN origins o ON o.id = k.origin_id WHERE k.kind IN ('secret', 'box_secret')`,
    purpose: ([kind, origin = '', revision = '']) =>
      kind === 'secret' ? secretKeyPurpose(origin, revision) : encryptionKeyPurpose(origin, revision),
  },
  'origin_secrets.value': {
    rows: sql`SELECT s.id, s.value AS sealed, o.name || ' ' || s.name AS names
      FROM origin_secrets s JOIN origins o ON o.id = s.origin_id`,
    purpose: ([origin = '', ...name]) => originSecretPurpose(origin, name.join(' ')),
  },
  'integrations.body': {
    rows: sql`SELECT i.id, i.body AS sealed, o.name || ' ' || i.type || ' ' || i.name AS names
      FROM integrations i JOIN origins o ON o.id = i.origin_id`,
    purpose: ([origin = '', type = '', ...name]) =>
      integrationPurpose(origin, { type, name: name.join(' ') }),
  },
  'depot_keys.sealed': {
    rows: sql`SELECT id, sealed, id AS names FROM depot_keys`,
    purpose: ([id = '']) => depotKeyPurpose(id),
  },
  'webhooks.url': {
    rows: sql`SELECT id, url AS sealed, key AS names FROM webhooks`,
    purpose: ([key = '']) => webhookUrlPurpose(key),
  },
  'webhooks.secret': {
    rows: sql`SELECT id, secret AS sealed, key AS names FROM webhooks`,
    purpose: ([key = '']) => webhookSecretPurpose(key),
  },
  'webhooks.previous_secret': {
    rows: sql`SELECT id, previous_secret AS sealed, key AS names FROM webhooks WHERE previous_secret IS NOT NULL`,
    purpose: ([key = '']) => webhookSecretPurpose(key),
  },
} satisfies Record<string, Column>

/** How many stored secrets a key encrypts. */
export interface KeyUse {
  readonly key: string
  readonly secrets: number
}

/**
 * Lists the keys that encrypt stored secrets, in any table. Leaves out the secrets that are kept for some
 * days for repeated requests.
 */
export async function listSealingKeys(db: Db): Promise<KeyUse[]> {
  const all = sql.join(
    Object.values(PLACES).map(({ rows }) => sql`SELECT sealed FROM (${rows}) AS stored`),
    sql` UNION ALL `,
  )
  const { rows } = await sql<KeyUse>`
    SELECT ${keyOf('sealed')} AS key, count(*) AS secrets FROM (${all}) AS every GROUP BY key ORDER BY key
  `.execute(db)
  return rows
}

/** Reports whether a key encrypts a stored secret, or one that is kept for repeated requests. */
export async function isSealingKey(db: Db, keyId: string): Promise<boolean> {
  if ((await listSealingKeys(db)).some(({ key }) => key === keyId)) return true
  const replay = await db
    .selectFrom('idempotency_keys')
    .select('key')
    .where('outcome', 'like', `%"sealed":"${keyId}.%`)
    .limit(1)
    .executeTakeFirst()
  return replay !== undefined
}

/** Lists up to `limit` stored secrets that another key than `keyId` encrypts. */
export async function listSealedOtherwise(db: Db, keyId: string, limit: number): Promise<SealedSecret[]> {
  const found: SealedSecret[] = []
  for (const [place, { rows, purpose }] of Object.entries(PLACES) as [Place, Column][]) {
    const stored = await sql<{ id: number | string; sealed: string; names: string }>`
      SELECT id, sealed, names FROM (${rows}) AS stored WHERE ${keyOf('sealed')} <> ${keyId}
      ORDER BY id LIMIT ${limit - found.length}
    `.execute(db)
    for (const { id, sealed, names } of stored.rows)
      found.push({ place, id, sealed, purpose: purpose(names.split(' ')) })
  }
  return [...found, ...(await listReplaysSealedOtherwise(db, keyId, limit - found.length))]
}

async function listReplaysSealedOtherwise(db: Db, keyId: string, limit: number): Promise<SealedSecret[]> {
  if (limit === 0) return []
  const rows = await db
    .selectFrom('idempotency_keys')
    .select(['account_id', 'key', 'outcome'])
    .where('outcome', 'like', '%"sealed":"%')
    .where('outcome', 'not like', `%"sealed":"${keyId}.%`)
    .limit(limit)
    .execute()
  return rows.map(({ account_id: account, key, outcome }) => ({
    place: REPLAYS,
    id: `${account} ${key}`,
    sealed: (JSON.parse(outcome) as { sealed: string }).sealed,
    purpose: TOKEN_PURPOSE,
  }))
}

/** Replaces the ciphertext of a secret. Returns false if it has changed, or is gone. */
export async function replaceSealed(db: Db, { place, id, sealed, replaces }: Resealed): Promise<boolean> {
  if (place === REPLAYS) return replaceReplay(db, { id: String(id), sealed, replaces })
  const [table = '', column = ''] = place.split('.')
  const { rows } = await sql`
    UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${sealed}
    WHERE id = ${id} AND substr(${sql.ref(column)}, 1, ${sql.lit(CIPHERTEXT_ID_LENGTH)}) = ${replaces}
    RETURNING id
  `.execute(db)
  return rows.length === 1
}

async function replaceReplay(
  db: Db,
  { id, sealed, replaces }: { id: string; sealed: string; replaces: string },
): Promise<boolean> {
  const space = id.indexOf(' ')
  const [account, key] = [Number(id.slice(0, space)), id.slice(space + 1)]
  const row = await db
    .selectFrom('idempotency_keys')
    .select('outcome')
    .where('account_id', '=', account)
    .where('key', '=', key)
    .executeTakeFirst()
  const outcome = JSON.parse(row?.outcome ?? '{}') as { sealed?: string }
  if (outcome.sealed?.startsWith(replaces) !== true) return false
  await db
    .updateTable('idempotency_keys')
    .set({ outcome: JSON.stringify({ ...outcome, sealed }) })
    .where('account_id', '=', account)
    .where('key', '=', key)
    .execute()
  return true
}

/** Returns an SQL expression for the id of the key, with which a ciphertext begins. */
function keyOf(column: string) {
  return sql<string>`substr(${sql.ref(column)}, 1, ${sql.lit(KEY_ID_LENGTH)})`
}
