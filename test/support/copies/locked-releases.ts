import { createHash } from 'node:crypto'
import { parseDepotKey } from '../../../src/lockfiles/depot-key.ts'
import type { DepotKey } from '../../../src/lockfiles/depot-key.ts'
import { findOrigin } from '../../../src/origins/origin-store.ts'
import type { Target } from '../../../src/package/target.ts'
import { callApi } from '../call-api.ts'
import type { TestDepot } from '../start-depot.ts'
import { originOf, parseIdent } from '../../../src/package/ident.ts'

const ACTOR = { client: 'tests', door: 'cli' } as const

/** Publishes a release without a file by the command. Its checksum is a hash of ident, target and `salt`. */
export async function makeDependent(
  { depot }: TestDepot,
  ident: string,
  tdeps: readonly string[],
  more: { target?: Target; salt?: string } = {},
): Promise<{ ident: string; target: Target; checksum: string }> {
  const { target = 'x86_64-linux', salt = '' } = more
  const origin = originOf(ident)
  if ((await findOrigin(depot.db, origin)) === undefined)
    await depot.writer.submit({ kind: 'createOrigin', input: { name: origin, ownerId: 1 }, actor: ACTOR })
  const checksum = createHash('sha256').update(`${ident} ${target} ${salt}`).digest('hex')
  const metadata = {
    target,
    manifest: '',
    config: '',
    exposes: [],
    deps: [],
    tdeps,
    buildDeps: [],
    buildTdeps: [],
    packageType: 'standard',
    svcUser: undefined,
    svcGroup: undefined,
  } as const
  await depot.writer.submit({
    kind: 'publishRelease',
    input: {
      ident: parseIdent(ident),
      metadata,
      checksum,
      sizeBytes: 7,
      signer: `${origin}-20260101000000`,
      isVerified: true,
      publisherId: 1,
      isForced: false,
    },
    actor: ACTOR,
  })
  return { ident, target, checksum }
}

/** Returns the key that a depot signs with. */
export async function keyOf(started: TestDepot): Promise<DepotKey> {
  return parseDepotKey((await callApi(started, 'GET', '/api/v1/depot/keys/current')).text)
}

/**
 * Writes the rows of a view's revision 1. Each release depends on ten others. Publishing so many releases by
 * commands would take minutes. The origin `acme` must exist, and the depot can make no changes afterwards.
 */
export async function fillView(
  { depot }: TestDepot,
  view: string,
  count: { pointers: number; dependencies: number },
): Promise<void> {
  await depot.writer.close()
  const database = await depot.engine.open(0)
  const trx = await database.writable.startTransaction().execute()
  const { id: view_id } = await trx
    .selectFrom('views')
    .select('id')
    .where('name', '=', view)
    .executeTakeFirstOrThrow()
  const { id: origin_id } = await trx
    .selectFrom('origins')
    .select('id')
    .where('name', '=', 'acme')
    .executeTakeFirstOrThrow()
  const target = 'x86_64-linux'
  const plain = {
    version: '1.0.0',
    order_key: '',
    visibility: 'public',
    size_bytes: 1,
    signer: 'acme-20260101000000',
    is_verified: 1,
    is_announced: 0,
    publisher_id: 1,
    package_type: 'standard',
    svc_user: null,
    svc_group: null,
    created_at: 0,
    updated_at: 0,
    deleted_at: null,
    exposes: '[]',
    deps: '[]',
    build_deps: '[]',
    build_tdeps: '[]',
    config: '',
    manifest: '',
  } as const
  for (let id = 1; id <= count.dependencies + count.pointers; id += 1) {
    const checksum = id.toString(16).padStart(64, '0')
    const isPointer = id > count.dependencies
    const tdeps = isPointer
      ? Array.from({ length: 10 }, (_, index) => identOf(((id * 10 + index) % count.dependencies) + 1))
      : []
    await trx
      .insertInto('packages')
      .values({ id, origin_id, name: `p${id}` })
      .execute()
    await trx
      .insertInto('blobs')
      .values({ checksum, size_bytes: 1, created_at: 0, unreferenced_since: null })
      .execute()
    await trx
      .insertInto('releases')
      .values({
        ...plain,
        id,
        package_id: id,
        ident: identOf(id),
        target,
        checksum,
        tdeps: JSON.stringify(tdeps),
      })
      .execute()
    if (!isPointer) continue
    await trx
      .insertInto('lines')
      .values({ view_id, package: `acme/p${id}`, target, package_id: id })
      .execute()
    await trx
      .insertInto('pointers')
      .values({ view_id, package_id: id, target, release_id: id, from_revision: 1, to_revision: null })
      .execute()
  }
  await trx
    .insertInto('ledger')
    .values({
      sequence: 1_000_000,
      at: 1,
      kind: 'promotion',
      account_id: null,
      origin_id: null,
      view_id,
      revision: 1,
      release_id: null,
      salt: '',
      text: '',
      digest: '',
      hash: 'c0'.repeat(32),
    })
    .execute()
  await trx.updateTable('views').set({ revision: 1 }).where('id', '=', view_id).execute()
  await trx.commit().execute()
  await database.close()
}

function identOf(number: number): string {
  return `acme/p${number}/1.0.0/20260101000000`
}
