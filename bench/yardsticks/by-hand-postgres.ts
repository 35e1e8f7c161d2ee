import { createHash, randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { packageOf } from '../../src/package/ident.ts'
import { ACTOR, VIEW } from './by-hand.ts'
import type { Row } from './by-hand.ts'

// The yardstick of promotions on PostgreSQL: the same rows by prepared statements, one transaction for each
// promotion. It locks the view's row first, as anyone would who writes it by hand, then the end of the ledger.

export interface HandOnPostgres extends AsyncDisposable {
  promote(row: Row): Promise<void>
}

/** Opens a connection that promotes by hand. */
export async function openHandOnPostgres(url: string): Promise<HandOnPostgres> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const names = new Map<string, string>()
  const run = async (text: string, values: unknown[] = []) => {
    const name = names.get(text) ?? `hand_${names.size}`
    names.set(text, name)
    return (await client.query<Record<string, string>>({ name, text, values })).rows[0]
  }
  return {
    async promote({ ident, target }) {
      await client.query('begin')
      const view = await run(`select id, revision from views where name = '${VIEW}' for update`)
      const head = await run('select sequence, hash from ledger order by sequence desc limit 1')
      const release = await run(
        'select id, package_id from releases where ident = $1 and target = $2 and deleted_at is null',
        [ident, target],
      )
      const [revision, sequence] = [Number(view?.['revision']) + 1, Number(head?.['sequence']) + 1]
      const [viewId, packageId, releaseId] = [view?.['id'], release?.['package_id'], release?.['id']]
      await run(
        'update members set to_revision = $1 where view_id = $2 and package_id = $3 and release_id = $4 and to_revision is null',
        [revision, viewId, packageId, releaseId],
      )
      await run('insert into members values ($1, $2, $3, $4, 0, null, 0)', [
        viewId,
        packageId,
        releaseId,
        revision,
      ])
      await run(
        'update pointers set to_revision = $1 where view_id = $2 and package_id = $3 and target = $4 and to_revision is null',
        [revision, viewId, packageId, target],
      )
      await run('insert into pointers values ($1, $2, $3, $4, $5, null)', [
        viewId,
        packageId,
        target,
        releaseId,
        revision,
      ])
      await run('update views set revision = $1 where id = $2', [revision, viewId])
      const at = Date.now()
      const pointers = [{ package: packageOf(ident), target, from: ident, to: ident }]
      const joined = [{ ident, target }]
      const change = { view: VIEW, revision, act: 'promote', joined, left: [], pointers }
      const text = JSON.stringify({ at, actor: ACTOR, kind: 'promotion', ...change })
      const salt = randomBytes(16).toString('hex')
      const digest = createHash('sha256')
        .update(salt + text)
        .digest('hex')
      const hash = createHash('sha256').update(`${head?.['hash']}\n${sequence}\n${digest}\n`).digest('hex')
      await run(
        "insert into ledger (sequence, at, kind, view_id, revision, salt, text, digest, hash) values ($1, $2, 'promotion', $3, $4, $5, $6, $7, $8)",
        [sequence, at, viewId, revision, salt, text, digest, hash],
      )
      await run("select pg_notify('hart_depot_bench', $1)", [String(sequence)])
      await client.query('commit')
    },
    [Symbol.asyncDispose]: async () => client.end(),
  }
}
