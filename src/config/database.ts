import { DepotError } from '../errors.ts'

/** Where the database of a depot is. Can be sent to another thread. */
export type DatabaseLocation = { readonly engine: 'sqlite'; readonly file: string } | PostgresLocation

/** Exactly one of `url` and `urlFile` is set. */
export interface PostgresLocation {
  readonly engine: 'postgres'
  /** `postgres://USER:PASSWORD@HOST:PORT/NAME`, with parameters such as `sslmode`. */
  readonly url: string | undefined
  /** A file that holds the URL. */
  readonly urlFile: string | undefined
  /**
   * The URL of the server itself, where `url` is that of a connection pooler (PgBouncer). Notifications and
   * migrations need it.
   */
  readonly listenUrl: string | undefined
}

/** The settings of the database. */
interface DatabaseSettings {
  readonly DEPOT_DATABASE_URL?: string | undefined
  readonly DEPOT_DATABASE_URL_FILE?: string | undefined
  readonly DEPOT_DATABASE_LISTEN_URL?: string | undefined
}

const POSTGRES = /^postgres(ql)?:\/\//
/**
 * The values of `sslmode`, with the meaning of libpq (postgresql.org/docs/current/libpq-ssl.html).
 * `no-verify` is that of node-postgres. The others of libpq, `allow` and `prefer`, connect without TLS if the
 * server offers none.
 */
const SSL_MODES: readonly string[] = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full']
const POSTGRES_FORM = 'postgres://USER:PASSWORD@HOST:PORT/NAME'

/** Returns what is wrong with the URL of a database, as the end of a sentence, or `undefined`. */
export function databaseUrlFault(text: string): string | undefined {
  if (/^sqlite:./.test(text)) return undefined
  return POSTGRES.test(text) ? postgresUrlFault(text) : `must be sqlite:FILE or ${POSTGRES_FORM}`
}

/** Like {@link databaseUrlFault}, for the URL of a server. */
export function postgresUrlFault(text: string): string | undefined {
  const url = POSTGRES.test(text) ? URL.parse(text) : null
  if (url === null || url.pathname.length <= 1) return `must be ${POSTGRES_FORM}`
  const sslMode = url.searchParams.get('sslmode')
  if (sslMode !== null && !SSL_MODES.includes(sslMode))
    return `has sslmode=${sslMode}, but must have one of ${SSL_MODES.join(', ')}`
  return sslMode === 'verify-ca' && !url.searchParams.has('sslrootcert')
    ? 'has sslmode=verify-ca, which needs sslrootcert=FILE with the certificate of the authority'
    : undefined
}

/**
 * Returns where the database is. `defaultFile` is used without a setting, and `resolve` makes paths absolute.
 * Throws `invalid_request` for settings that contradict each other.
 */
export function readDatabaseLocation(
  env: DatabaseSettings,
  defaultFile: string,
  resolve: (path: string) => string,
): DatabaseLocation {
  const {
    DEPOT_DATABASE_URL: url,
    DEPOT_DATABASE_URL_FILE: urlFile,
    DEPOT_DATABASE_LISTEN_URL: listenUrl,
  } = env
  if (url !== undefined && urlFile !== undefined)
    throw new DepotError(
      'invalid_request',
      'DEPOT_DATABASE_URL and DEPOT_DATABASE_URL_FILE are both set: set only one of them',
    )
  if (urlFile !== undefined || (url !== undefined && POSTGRES.test(url)))
    return { engine: 'postgres', url, urlFile: urlFile && resolve(urlFile), listenUrl }
  if (listenUrl !== undefined)
    throw new DepotError(
      'invalid_request',
      'DEPOT_DATABASE_LISTEN_URL is set, but DEPOT_DATABASE_URL names no PostgreSQL database',
    )
  return { engine: 'sqlite', file: url === undefined ? defaultFile : resolve(url.slice('sqlite:'.length)) }
}

/** Returns the file of the database. Throws `invalid_request` if the database is on a server. */
export function sqliteFileOf({ database }: { readonly database: DatabaseLocation }): string {
  if (database.engine === 'sqlite') return database.file
  throw new DepotError('invalid_request', 'this works only on a database in SQLite')
}
