import { networkFault } from '../../network-fault.ts'

// The codes of PostgreSQL (postgresql.org/docs/current/errcodes-appendix.html) and of the network.

const DISK_FULL: readonly unknown[] = ['53100']
/** A write in a read-only transaction, or on a replica. */
const READ_ONLY: readonly unknown[] = ['25006']
/** `data_corrupted` and `index_corrupted` */
const DAMAGED: readonly unknown[] = ['XX001', 'XX002']
/** Two transactions that could not both go on: `serialization_failure` and `deadlock_detected`. */
const COLLISIONS: readonly unknown[] = ['40001', '40P01']
/** A migration changed the columns of a table that a prepared statement reads. */
const STALE_PLAN: readonly unknown[] = ['0A000']
const STALE_PLAN_MESSAGE = 'cached plan must not change result type'
/** The connection, and with it the transaction, is lost; or there was none. */
const LOST =
  /^(08...|57P0[1-5]|25P03|53300|28000|28P01|3D000|(ERR_(TLS|SSL)|CERT|UNABLE_TO)_\w+|\w+_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|E(PROTO|CONN(REFUSED|RESET|ABORTED)|PIPE|TIMEDOUT|HOSTUNREACH|HOSTDOWN|NETUNREACH|NETDOWN|NOTFOUND|AI_AGAIN|NOENT))$/
/** The driver has no codes for these. */
const LOST_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Client was closed|Query read timeout|Cannot use a pool after|The server does not support SSL)/
/** Waited too long: for a lock, or for the end of a statement. */
const TOO_SLOW: readonly unknown[] = ['55P03', '57014']

export function isDiskFull(error: unknown): boolean {
  return DISK_FULL.includes(codeOf(error))
}

export function isReadOnly(error: unknown): boolean {
  return READ_ONLY.includes(codeOf(error))
}

/** Reports whether a part of the database that was read is damaged. */
export function isDamaged(error: unknown): boolean {
  return DAMAGED.includes(codeOf(error))
}

/** Reports whether a transaction failed because of another one, so that it may succeed if it runs again. */
export function isCollision(error: unknown): boolean {
  return COLLISIONS.includes(codeOf(error)) || isPlanStale(error)
}

/** Reports whether a statement must be prepared again, and would then succeed. */
export function isPlanStale(error: unknown): boolean {
  return STALE_PLAN.includes(codeOf(error)) && error instanceof Error && error.message === STALE_PLAN_MESSAGE
}

/** Thrown if the connection to the server was lost or could not be made. Nothing uncommitted was kept. */
export class ConnectionLost extends Error {
  readonly code: unknown

  constructor(cause: Error) {
    super(cause.message, { cause })
    this.name = 'ConnectionLost'
    this.code = codeOf(cause)
  }
}

/** Returns an error of the driver, as {@link ConnectionLost} if it is one. */
export function translateLost(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ConnectionLost) return error
  const code = codeOf(error)
  const isLost = (typeof code === 'string' && LOST.test(code)) || LOST_MESSAGE.test(error.message)
  return isLost ? new ConnectionLost(error) : error
}

export function isConnectionLost(error: unknown): boolean {
  return error instanceof ConnectionLost
}

/** Reports whether a statement took too long, or waited too long for another transaction. */
export function isTooSlow(error: unknown): boolean {
  return TOO_SLOW.includes(codeOf(error))
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

const SENTENCES: Readonly<Record<string, string>> = {
  '28000': 'the database server refuses this user: check DEPOT_DATABASE_URL and pg_hba.conf of the server',
  '28P01': 'the database server refuses the password in DEPOT_DATABASE_URL',
  '3D000': 'the database that DEPOT_DATABASE_URL names does not exist: create it on the server',
  '42501': 'the user in DEPOT_DATABASE_URL lacks a right in the database',
  '53100': 'the disk of the database server is full',
  '53300': 'the database server has no connections left',
  '57P03': 'the database server is starting or stopping',
}

const UNKNOWN_AUTHORITY = 'its certificate is of another authority than those of sslrootcert, or of Node'
/** Why TLS failed, by the code of Node (nodejs.org/api/tls.html) or the message of the driver. */
const TLS_FAULTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for other names than the one in the URL, and sslmode=verify-full',
  'The server does not support SSL connections': 'it offers no TLS, and sslmode in the URL requires it',
}

/** Explains an error of PostgreSQL, or of a connection to it, to the operator. Otherwise `undefined`. */
export function describeDatabaseError(error: Error): string | undefined {
  const code = String(codeOf(error))
  const sentence = SENTENCES[code]
  if (sentence !== undefined || !isConnectionLost(error)) return sentence
  const reason = TLS_FAULTS[code] ?? TLS_FAULTS[error.message] ?? networkFault(error)
  return `the database server in DEPOT_DATABASE_URL or DEPOT_DATABASE_LISTEN_URL cannot be used: ${reason}`
}
