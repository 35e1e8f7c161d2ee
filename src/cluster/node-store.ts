import type { Listener } from '../database/database.ts'
import type { NodeRow } from './presence.ts'

// The table `nodes`: one row for each node that serves, or did until a moment ago. Only PostgreSQL has it.

/** The end of the ledger. */
export interface LedgerEnd {
  readonly sequence: number
  readonly hash: string
}

/** What a node writes of itself. */
export interface NodeLease extends NodeRow {
  readonly startedAt: number
  readonly version: string
  readonly leaseMs: number
}

/** The channel on which the transaction of a writer announces its commit, as `SEQUENCE ID`. */
const COMMITS_CHANNEL = 'hart_depot'
/** The channel on which nodes tell what they have applied, as `SEQUENCE ID`. */
export const APPLIED_CHANNEL = 'hart_depot_applied'

/** Parses the payload of both channels. The id is that of the node that sent it, or empty for a command. */
export function parseNotification(payload: string): { sequence: number; id: string } {
  const [sequence = '', id = ''] = payload.split(' ')
  return { sequence: Number(sequence), id }
}

export async function listen(listener: Listener): Promise<void> {
  await listener.query(`listen ${COMMITS_CHANNEL}; listen ${APPLIED_CHANNEL}`)
}

/** Takes or renews a lease. People read `lease_until`; no node compares it with its clock. */
export async function renewLease(listener: Listener, lease: NodeLease): Promise<void> {
  await listener.query(
    `insert into nodes (id, name, version, started_at, renewal, applied, lease_until)
     values ($1, $2, $3, $4, $5, $6, (extract(epoch from clock_timestamp()) * 1000)::bigint + $7::bigint)
     on conflict (id) do update
       set renewal = excluded.renewal, lease_until = excluded.lease_until, applied = greatest(nodes.applied, excluded.applied)`,
    [lease.id, lease.name, lease.version, lease.startedAt, lease.renewal, lease.applied, lease.leaseMs],
  )
}

/** Reads all nodes and the end of the ledger, in one snapshot. */
export async function readNodes(listener: Listener): Promise<{ nodes: readonly NodeRow[]; end: LedgerEnd }> {
  const rows = await listener.query<
    { [Column in keyof NodeRow]: NodeRow[Column] | null } & { hash: string | null }
  >(
    `select id, name, renewal, applied, null as hash from nodes
     union all
     (select null, null, null, sequence, hash from ledger order by sequence desc limit 1)`,
  )
  const nodes: NodeRow[] = []
  let end: LedgerEnd = { sequence: 0, hash: '' }
  for (const { id, name, renewal, applied, hash } of rows) {
    if (hash !== null) end = { sequence: applied ?? 0, hash }
    else if (id !== null) nodes.push({ id, name: name ?? '', renewal: renewal ?? 0, applied: applied ?? 0 })
  }
  return { nodes, end }
}

/** Finds the hash of an entry of the ledger. */
export async function findEntryHash(listener: Listener, sequence: number): Promise<string | undefined> {
  const [row] = await listener.query<{ hash: string }>('select hash from ledger where sequence = $1', [
    sequence,
  ])
  return row?.hash
}

/**
 * Identifies the server's process. Every failover and every restart of the server changes the result.
 */
export async function identifyServer(listener: Listener): Promise<string> {
  const [row] = await listener.query<{ server: string }>(
    `select system_identifier::text || ' ' || pg_postmaster_start_time()::text
       || ' ' || case when pg_is_in_recovery() then 'standby' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as server
     from pg_control_system()`,
  )
  return row?.server ?? ''
}

/**
 * Tells the other nodes what this one has applied. Nodes that miss the notification find it in the row. The
 * row need not survive a crash of the server, so the commit does not wait for the disk.
 */
export async function tellApplied(listener: Listener, id: string, applied: number): Promise<void> {
  await listener.query(
    `begin; set local synchronous_commit = off;
     update nodes set applied = greatest(applied, ${applied}) where id = ${quoted(id)};
     select pg_notify('${APPLIED_CHANNEL}', ${quoted(`${applied} ${id}`)}); commit`,
  )
}

/** Removes a node that has ended, if it has not renewed its lease since. */
export async function removeNode(
  listener: Listener,
  { id, renewal }: Pick<NodeRow, 'id' | 'renewal'>,
): Promise<void> {
  await listener.query('delete from nodes where id = $1 and renewal = $2', [id, renewal])
}

/** Quotes a text that this file made: ids and numbers. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
