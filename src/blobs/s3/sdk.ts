import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as ClientS3 from '@aws-sdk/client-s3'
import type * as Presigner from '@aws-sdk/s3-request-presigner'
import type { S3Place } from '../../config/s3-place.ts'
import { DepotError } from '../../errors.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'

/** The parts of the AWS SDK that are used here. */
export interface Sdk {
  readonly client: typeof ClientS3
  readonly presigner: typeof Presigner
}

/** The packages of the SDK, which are optional dependencies. */
const PACKAGES = ['@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner'] as const

const CONNECT_MS = 5_000
/** How long a request may take until its answer begins. A part of an upload is sent in this time. */
const REQUEST_MS = 60_000
const ATTEMPTS = 3
/** Each slow reader keeps a connection, so the number of these follows the number of clients. */
const MAX_CONNECTIONS = 10_000

/**
 * Loads the SDK, which takes a tenth of a second and 20 MB, so only depots with S3 load it. Throws
 * `invalid_request` with what to install if it is missing.
 */
export async function loadSdk(): Promise<Sdk> {
  try {
    const [client, presigner] = await Promise.all([
      import('@aws-sdk/client-s3'),
      import('@aws-sdk/s3-request-presigner'),
    ])
    return { client, presigner }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    const { optionalDependencies: versions } = createRequire(import.meta.url)(
      join(PACKAGE_ROOT, 'package.json'),
    ) as {
      optionalDependencies: Record<string, string>
    }
    throw new DepotError(
      'invalid_request',
      `S3 needs the AWS SDK, which is not installed: npm install ${PACKAGES.map((name) => `${name}@${versions[name]}`).join(' ')}`,
      { cause: error },
    )
  }
}

/**
 * Makes a client for the service of a place. It finds credentials as other programs do: in the environment,
 * in files, or from the machine.
 */
export function makeClient({ client }: Sdk, { endpoint, region, hasPathStyle }: S3Place): ClientS3.S3Client {
  const agent = { keepAlive: true, maxSockets: MAX_CONNECTIONS }
  return new client.S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    forcePathStyle: hasPathStyle,
    maxAttempts: ATTEMPTS,
    // Older services refuse the checksums that the SDK adds by itself. The signature covers the bytes of each
    // request.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      socketTimeout: 0, // a reader may be slow; `S3Stream` notices a service that stops sending
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
}
