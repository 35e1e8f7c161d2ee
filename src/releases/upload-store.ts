import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { Target } from '../package/target.ts'
import type { Release } from './release.ts'

/** The rows that an upload is checked against. */
export interface UploadRows {
  /** The release, if it is already published for the target. */
  readonly published: Pick<Release, 'checksum' | 'sizeBytes'> | undefined
  /** The origin's newest public key, which signs most of its packages. */
  readonly newestKey: { readonly revision: string; readonly body: string } | undefined
}

/** Reads in one query what an upload is checked against. `undefined` if there is no such origin. */
export async function findUploadRows(
  db: Db,
  upload: { origin: string; ident: string; target: Target | undefined },
): Promise<UploadRows | undefined> {
  const { origin, ident, target = null } = upload
  const [row] = await uploadRows(db, { origin, ident, target })
  return (
    row && {
      published:
        row.checksum === null || row.size_bytes === null
          ? undefined
          : { checksum: row.checksum, sizeBytes: row.size_bytes },
      newestKey:
        row.revision === null || row.body === null ? undefined : { revision: row.revision, body: row.body },
    }
  )
}

const uploadRows = prepared<{ origin: string; ident: string; target: Target | null }>()(
  (db, { origin, ident, target }) =>
    db
      .selectFrom('origins')
      .leftJoin('releases', (on) =>
        on
          .on('releases.ident', '=', ident)
          .on('releases.target', '=', target)
          .on('releases.deleted_at', 'is', null),
      )
      .leftJoin('origin_keys', (on) =>
        on.onRef('origin_keys.origin_id', '=', 'origins.id').on('origin_keys.kind', '=', 'public'),
      )
      .select(['releases.checksum', 'releases.size_bytes', 'origin_keys.revision', 'origin_keys.body'])
      .where('origins.name', '=', origin)
      .where('origins.deleted_at', 'is', null)
      .orderBy('origin_keys.revision', 'desc')
      .limit(1),
)
