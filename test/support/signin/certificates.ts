import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

// Certificates of a private authority, made by openssl. All keys are P-256.

const openssl = (folder: string, ...args: readonly string[]) =>
  promisify(execFile)('openssl', args, { cwd: folder })

const CONFIGURATION = `
[req]
distinguished_name = name
[name]
[leaf]
subjectAltName = DNS:localhost, IP:127.0.0.1
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
x509_extensions = leaf
[names]
commonName = supplied
`

/** Files in PEM. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

export interface Authority {
  /** The file with the certificate of the authority, in PEM. */
  readonly file: string
  readonly pem: string
  /** For `localhost` and 127.0.0.1. */
  readonly valid: Certificate
  readonly expired: Certificate
}

export async function makeAuthority(t: { teardown(fn: () => Promise<void>): unknown }): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'openssl.cnf'), CONFIGURATION)
  await writeFile(join(folder, 'index.txt'), '')
  await writeFile(join(folder, 'serial'), '01\n')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const own = ['-x509', '-days', '2', '-subj', '/CN=private authority']
  await openssl(folder, 'req', ...newKey, ...own, '-keyout', 'ca.key', '-out', 'ca.pem')
  const signed = async (name: string, dates: readonly string[]): Promise<Certificate> => {
    const request = ['-subj', `/CN=${name}`, '-config', 'openssl.cnf', '-out', `${name}.csr`]
    await openssl(folder, 'req', ...newKey, ...request, '-keyout', `${name}.key`)
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-cert', 'ca.pem', '-keyfile', 'ca.key']
    await openssl(folder, 'ca', '-batch', '-notext', '-config', 'openssl.cnf', ...files, ...dates)
    return { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  }
  const file = join(folder, 'ca.pem')
  return {
    file,
    pem: await readFile(file, 'utf8'),
    valid: await signed('valid', ['-days', '2']),
    expired: await signed('expired', ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z']),
  }
}
