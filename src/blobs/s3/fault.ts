import { DepotError } from '../../errors.ts'
import { networkFault } from '../../network-fault.ts'

const RETRY_AFTER_SECONDS = 10

/**
 * Why a service that speaks S3 did not do something:
 *
 * - `absent`: the bucket exists and has no such object
 * - `out of range`: the object is shorter than the range
 * - `full`: a quota, or the disks of the service
 * - `misconfigured`: the bucket does not exist, or the credentials or rights are not enough
 * - `away`: everything else; a later attempt may succeed
 */
export type S3FaultKind = 'absent' | 'out of range' | 'full' | 'misconfigured' | 'away'

/**
 * An error of a service that speaks S3, or of the way to it. Its code is `storage_full` or
 * `storage_unavailable`.
 */
export class S3Fault extends DepotError {
  readonly kind: S3FaultKind
  /** The cause as a part of a sentence. It names no key, place or credential. */
  readonly reason: string

  constructor(kind: S3FaultKind, reason: string, cause?: unknown) {
    super(
      kind === 'full' ? 'storage_full' : 'storage_unavailable',
      `the storage in S3 ${kind === 'full' ? 'is full' : 'cannot be used now'}: ${reason}`,
      { cause, ...(kind !== 'full' && { retryAfterSeconds: RETRY_AFTER_SECONDS }) },
    )
    this.name = 'S3Fault'
    this.kind = kind
    this.reason = reason
  }
}

/**
 * Errors of S3 (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), of Ceph and of the SDK, by
 * name.
 */
const NAMED: Readonly<Record<string, readonly [S3FaultKind, string]>> = {
  AccessDenied: ['misconfigured', 'the credentials do not have the right'],
  AuthorizationHeaderMalformed: ['misconfigured', 'the bucket is in another region'],
  CredentialsProviderError: ['misconfigured', 'there are no credentials'],
  ExpiredToken: ['misconfigured', 'the credentials have expired'],
  Forbidden: ['misconfigured', 'the credentials do not have the right'],
  InvalidAccessKeyId: ['misconfigured', 'the access key is not known'],
  InvalidRange: ['out of range', 'the object is shorter than the range'],
  NoSuchBucket: ['misconfigured', 'the bucket does not exist'],
  NoSuchKey: ['absent', 'there is no such object'],
  NotFound: ['absent', 'there is no such object'],
  PermanentRedirect: ['misconfigured', 'the bucket is in another region'],
  QuotaExceeded: ['full', 'a quota of the bucket or of its owner is used up'],
  RequestTimeTooSkewed: ['misconfigured', 'the clock of this machine differs from that of the service'],
  SignatureDoesNotMatch: ['misconfigured', 'the secret key is wrong'],
  SlowDown: ['away', 'it asks for fewer requests'],
  TimeoutError: ['away', 'no answer came in time'],
}
const INSUFFICIENT_STORAGE = 507

/** Converts an error of the SDK to an {@link S3Fault}. Returns an error of the local system unchanged. */
export function s3Fault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof S3Fault) return error
  const { name } = error
  const status = statusOf(error)
  const named = NAMED[name]
  if (named !== undefined) return new S3Fault(...named, error)
  if (status === INSUFFICIENT_STORAGE) return new S3Fault('full', 'its disks are full', error)
  if (status !== undefined) return new S3Fault('away', `it answered ${status} ${name}`, error)
  if (error.message === 'Region is missing')
    return new S3Fault('misconfigured', 'no region is set: set DEPOT_S3_REGION', error)
  if ('syscall' in error && 'path' in error) return error // of the local disk
  return new S3Fault('away', networkFault(error), error)
}

function statusOf(error: Error): number | undefined {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
  return $metadata?.httpStatusCode
}
