import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { PostgresLocation } from '../../config/database.ts'
import { DepotError } from '../../errors.ts'

/** The parameters of a URL that name files in PEM. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey']

/** Throws `invalid_request` if a file that a URL of the database names for TLS is unusable. */
export async function expectTlsFiles({ url, urlFile, listenUrl }: PostgresLocation): Promise<void> {
  await expectFiles(url, urlFile === undefined ? 'DEPOT_DATABASE_URL' : 'DEPOT_DATABASE_URL_FILE')
  await expectFiles(listenUrl, 'DEPOT_DATABASE_LISTEN_URL')
}

async function expectFiles(url: string | undefined, setting: string): Promise<void> {
  if (url === undefined) return
  const { searchParams } = new URL(url)
  for (const name of FILES) {
    const file = searchParams.get(name)
    if (file === null) continue
    const refuse = (reason: string, cause: unknown): never => {
      throw new DepotError('invalid_request', `${setting} has ${name}=${file}, ${reason}`, { cause })
    }
    const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
      refuse(`which cannot be read: ${error.code}`, error),
    )
    if (name === 'sslkey') continue
    try {
      void new X509Certificate(pem)
    } catch (error) {
      refuse('which has no certificate in PEM', error)
    }
  }
}

/**
 * Returns a URL of the database as node-postgres understands it. Unless a parameter tells it to follow libpq,
 * node-postgres treats `require` and `verify-ca` like `verify-full`.
 */
export function connectionString(url: string): string {
  const sslMode = new URL(url).searchParams.get('sslmode') ?? ''
  return ['require', 'verify-ca'].includes(sslMode) ? `${url}&uselibpqcompat=true` : url
}
