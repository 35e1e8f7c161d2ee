import type { Db } from '../database/database.ts'

/** How many blobs are stored, and their bytes. */
export async function readStored(db: Db): Promise<{ blobs: number; bytes: number }> {
  return db.selectFrom('stored').select(['blobs', 'bytes']).where('id', '=', 1).executeTakeFirstOrThrow()
}

/** How many blobs are known to be damaged. */
export async function countDamaged(db: Db): Promise<number> {
  const { count } = await db.selectFrom('blobs').select((eb) => eb.fn.countAll<number>().as('count')).where('damage', 'is not', null).where('checksum', '>', '').executeTakeFirstOrThrow()
  return count
}
