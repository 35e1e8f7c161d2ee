import { copyFile, chown, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { sql } from 'kysely'
import { ThrowawayPostgres } from '../../../scripts/cluster/postgres.ts'
import { describeFailure } from '../../../src/cli/failure.ts'
import { readConfig } from '../../../src/config/config.ts'
import { openEngine } from '../../../src/database/engine.ts'
import type { Engine } from '../../../src/database/database.ts'
import { makeAuthority } from '../../support/signin/certificates.ts'
import type { Authority, Certificate } from '../../support/signin/certificates.ts'
import { until } from '../../support/until.ts'

// Connections to a server with a certificate of a private authority, which is for localhost and 127.0.0.1.

const OTHER_NAME = '127.0.0.2'
const COUNT_TLS = `select count(*) filter (where ssl) || ' of ' || count(*) from pg_stat_ssl join pg_stat_activity using (pid)
  where application_name like 'hart-depot %'`

interface Server {
  readonly postgres: ThrowawayPostgres
  /** Opens an engine for a URL with these parameters. */
  open(parameters: string, host?: string): Promise<Engine>
  /** Returns what a node says that cannot connect, or `undefined`. */
  refusal(parameters: string, host?: string): Promise<string | undefined>
}

async function startServer(t: Test): Promise<Server> {
  const postgres = await ThrowawayPostgres.start({
    settings: { listen_addresses: `127.0.0.1,${OTHER_NAME}` },
  })
  t.teardown(() => postgres.close())
  const open = (parameters: string, host = '127.0.0.1') =>
    openEngine(
      readConfig({
        DEPOT_DATABASE_URL: `postgres://postgres@${host}:${postgres.port}/postgres?${parameters}`,
      }).database,
    )
  return {
    postgres,
    open,
    async refusal(parameters, host) {
      try {
        await (await open(parameters, host)).pendingMigrations()
        return undefined
      } catch (error) {
        return describeFailure(error)
      }
    },
  }
}

/** Lets the server use a certificate for new connections. */
async function useCertificate({ postgres }: Server, { certificate, key }: Certificate): Promise<void> {
  const { uid, gid } = await stat(postgres.folder)
  for (const [from, name] of [
    [certificate, 'server.crt'],
    [key, 'server.key'],
  ] as const) {
    const file = join(postgres.folder, name)
    await copyFile(from, file)
    await chown(file, uid, gid)
  }
  await postgres.query('alter system set ssl = on')
  const loaded = () => postgres.query('select pg_conf_load_time()')
  const before = await loaded()
  await postgres.query('select pg_reload_conf()')
  await until('the server has read its settings', async () => (await loaded()) !== before)
}

test('TLS to PostgreSQL', async (whole) => {
  const server = await startServer(whole)
  const authority: Authority = await makeAuthority(whole)
  const root = `sslrootcert=${authority.file}`
  const { file: otherFile } = await makeAuthority(whole)
  const otherRoot = `sslrootcert=${otherFile}`

  await whole.test('a server that offers no TLS', async (t) => {
    for (const parameters of ['sslmode=require', 'sslmode=no-verify', `sslmode=verify-full&${root}`])
      t.match(await server.refusal(parameters), /DEPOT_DATABASE_URL .* it offers no TLS, and sslmode/)
    for (const parameters of ['', 'sslmode=disable']) t.equal(await server.refusal(parameters), undefined)
  })

  await useCertificate(server, authority.valid)

  await whole.test('every connection is encrypted, and of a server of the authority', async (t) => {
    for (const parameters of [
      'sslmode=require',
      'sslmode=no-verify',
      `sslmode=require&${root}`,
      `sslmode=verify-ca&${root}`,
      `sslmode=verify-full&${root}`,
    ]) {
      const engine = await server.open(parameters)
      const opened = await engine.open(0)
      const listener = await engine.listen?.({
        timeoutMs: 5_000,
        onNotification: () => undefined,
        onLost: () => undefined,
      })
      for (const db of [opened.reader, opened.writable]) await sql`select 1`.execute(db)
      t.equal(await server.postgres.query(COUNT_TLS), '3 of 3', parameters)
      await listener?.close()
      await opened.close()
    }
    const plain = await (await server.open('')).openReader()
    await sql`select 1`.execute(plain.reader)
    t.match(await server.postgres.query(COUNT_TLS), /^0 of/, 'without sslmode, nothing is encrypted')
    await plain.close()
  })

  await whole.test('a server of another authority is refused', async (t) => {
    for (const parameters of [
      'sslmode=verify-full',
      `sslmode=verify-full&${otherRoot}`,
      `sslmode=verify-ca&${otherRoot}`,
      `sslmode=require&${otherRoot}`,
    ])
      t.match(
        await server.refusal(parameters),
        /DEPOT_DATABASE_URL .* another authority .* sslrootcert/,
        parameters,
      )
  })

  await whole.test('a server with another name is refused only by verify-full', async (t) => {
    t.match(
      await server.refusal(`sslmode=verify-full&${root}`, OTHER_NAME),
      /DEPOT_DATABASE_URL .* for other names .* sslmode=verify-full/,
    )
    for (const parameters of [`sslmode=verify-ca&${root}`, `sslmode=require&${root}`, 'sslmode=require'])
      t.equal(await server.refusal(parameters, OTHER_NAME), undefined, parameters)
  })

  await whole.test('files that the URL names must be there, and in PEM', async (t) => {
    t.match(
      await server.refusal('sslmode=verify-full&sslrootcert=/nowhere/ca.pem'),
      'DEPOT_DATABASE_URL has sslrootcert=/nowhere/ca.pem, which cannot be read: ENOENT',
    )
    const file = import.meta.filename
    t.match(
      await server.refusal(`sslmode=verify-full&sslrootcert=${file}`),
      /which has no certificate in PEM/,
    )
  })

  await useCertificate(server, authority.expired)

  await whole.test('a certificate that has expired is refused', async (t) => {
    t.match(await server.refusal(`sslmode=verify-ca&${root}`), /its certificate has expired/)
    t.equal(await server.refusal('sslmode=require'), undefined)
  })
})
