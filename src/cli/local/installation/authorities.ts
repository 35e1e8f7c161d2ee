import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Io } from '../../io.ts'

// Node trusts the authorities in the file that NODE_EXTRA_CA_CERTS names. If Node cannot read the file, it
// still starts, and connections that need these authorities fail later.

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Returns a sentence without a full stop for each fault in the settings of Node for TLS. Throws nothing. */
export async function faultsOfTls({ env, now }: Pick<Io, 'env' | 'now'>): Promise<string[]> {
  const file = env['NODE_EXTRA_CA_CERTS'] ?? ''
  return [
    ...(file === '' ? [] : await faultsOfAuthorities(file, now())),
    ...(env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0'
      ? ['NODE_TLS_REJECT_UNAUTHORIZED is 0, so the certificates of other servers are not checked']
      : []),
  ]
}

async function faultsOfAuthorities(file: string, now: number): Promise<string[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return [
      `NODE_EXTRA_CA_CERTS names ${file}, which cannot be read (${code}): its authorities are not trusted`,
    ]
  }
  const found = text.match(PEM) ?? []
  if (found.length === 0)
    return [
      `NODE_EXTRA_CA_CERTS names ${file}, which has no certificate in PEM: no authority of it is trusted`,
    ]
  const certificates = found.flatMap((pem) => decode(pem) ?? [])
  const expired = certificates.filter(({ validToDate }) => validToDate.getTime() <= now)
  return [
    ...(certificates.length === found.length
      ? []
      : [`NODE_EXTRA_CA_CERTS names ${file}, in which a certificate cannot be decoded: it is not trusted`]),
    // Bundles of authorities keep expired ones.
    ...(expired.length < certificates.length ? [] : expired.map((one) => faultOfExpired(one, file))),
  ]
}

function decode(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function faultOfExpired({ subject, validToDate }: X509Certificate, file: string): string {
  const name = subject.replaceAll('\n', ', ')
  return `the certificate of ${name} in ${file} expired on ${validToDate.toISOString().slice(0, 10)}`
}
