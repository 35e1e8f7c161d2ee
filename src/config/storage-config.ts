import { join } from 'node:path'
import { z } from 'zod'
import { DepotError } from '../errors.ts'
import { S3_FORM, isS3Url, parseS3Url } from './s3-place.ts'
import type { S3Place, S3Settings } from './s3-place.ts'
import { choice } from './setting-values.ts'

/** Where packages are, and who sends them. */
export interface StorageConfig {
  /** The folder of packages; with `blobBucket`, only of those that are being received. */
  readonly blobFolder: string
  /** Where packages are if they are in S3. */
  readonly blobBucket?: S3Place | undefined
  /** How S3 is reached, also for backups. */
  readonly s3: S3Settings
  /**
   * The internal location of nginx from which it sends packages itself, without a slash at its end. If
   * absent, the depot sends them.
   */
  readonly accelLocation: string | undefined
}

/** The settings of the storage of packages. */
export const STORAGE_VARIABLES = {
  DEPOT_BLOBS: z
    .string()
    .refine(
      (text) => /^fs:./.test(text) || parseS3Url(text) !== undefined,
      `must be fs:FOLDER, or ${S3_FORM}`,
    )
    .optional(),
  DEPOT_S3_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://s3.example' })
    .refine(isOrigin, 'must be a URL with no path and no key in it, such as https://s3.example')
    .optional(),
  DEPOT_S3_REGION: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/, 'must be the name of a region, such as eu-central-1')
    .optional(),
  DEPOT_S3_PATH_STYLE: choice(['on', 'off']).default('off'),
  DEPOT_ACCEL_LOCATION: z
    .string()
    .regex(/^(\/[A-Za-z0-9_-]+)+$/, 'must be a path without a slash at its end, such as /_packages')
    .optional(),
}

type StorageVariables = z.infer<z.ZodObject<typeof STORAGE_VARIABLES>>

/** A region for services that have none, because the SDK needs one. */
const ANY_REGION = 'us-east-1'

/**
 * Reads the settings of the storage of packages. `resolve` makes paths absolute. Throws `invalid_request`.
 */
export function storageConfig(
  env: StorageVariables & { readonly DEPOT_TRUST_PROXY: string },
  {
    dataFolder,
    environment,
    resolve,
  }: {
    dataFolder: string
    environment: Readonly<Record<string, string | undefined>>
    resolve: (path: string) => string
  },
): StorageConfig {
  const { DEPOT_BLOBS: place, DEPOT_S3_ENDPOINT: endpoint, DEPOT_ACCEL_LOCATION: accelLocation } = env
  if (accelLocation !== undefined && env.DEPOT_TRUST_PROXY === 'off')
    throw new DepotError(
      'invalid_request',
      'DEPOT_ACCEL_LOCATION is set, but DEPOT_TRUST_PROXY is off: name the addresses of nginx there',
    )
  // The SDK finds the region of AWS as other programs do.
  const needsRegion = endpoint !== undefined && environment['AWS_REGION'] === undefined
  const s3 = {
    endpoint,
    region: env.DEPOT_S3_REGION ?? (needsRegion ? ANY_REGION : undefined),
    hasPathStyle: env.DEPOT_S3_PATH_STYLE === 'on',
  }
  const bucket = parseS3Url(place ?? '')
  return {
    blobFolder:
      place === undefined || isS3Url(place) ? join(dataFolder, 'blobs') : resolve(place.slice('fs:'.length)),
    blobBucket: bucket && { ...bucket, ...s3 },
    s3,
    accelLocation,
  }
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url === null || `${url.origin}/` === url.href // z.url reports what is no URL
}
