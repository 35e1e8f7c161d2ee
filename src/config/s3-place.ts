/** How the depot reaches a service that speaks S3. What is absent, the AWS SDK finds as other programs do. */
export interface S3Settings {
  /** The URL of the service. If absent, `AWS_ENDPOINT_URL_S3`, or AWS. */
  readonly endpoint: string | undefined
  readonly region: string | undefined
  /** Whether the bucket is in the path of URLs, as many services other than AWS need it. */
  readonly hasPathStyle: boolean
}

/** A place in a bucket of a service that speaks S3. */
export interface S3Place extends S3Settings {
  readonly bucket: string
  /** The beginning of the keys of all objects: empty, or with a slash at its end. */
  readonly prefix: string
}

const SCHEME = 's3://'
/**
 * Names of buckets (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html), and segments of
 * keys that stay as they are in a URL.
 */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/
const MAX_PREFIX = 500

export const S3_FORM =
  's3://BUCKET or s3://BUCKET/PREFIX, whose parts have letters, digits, dots, dashes and underscores'

/** Reports whether a text names a place in S3, perhaps wrongly. */
export function isS3Url(text: string): boolean {
  return text.startsWith(SCHEME)
}

/** Parses {@link S3_FORM}. Returns `undefined` for any other text. */
export function parseS3Url(text: string): Pick<S3Place, 'bucket' | 'prefix'> | undefined {
  if (!isS3Url(text)) return undefined
  const [bucket = '', ...segments] = text.slice(SCHEME.length).replace(/\/$/, '').split('/')
  const prefix = segments.map((segment) => `${segment}/`).join('')
  return BUCKET.test(bucket) &&
    segments.every((segment) => SEGMENT.test(segment)) &&
    prefix.length <= MAX_PREFIX
    ? { bucket, prefix }
    : undefined
}

/** Writes a place as it is given in settings. */
export function formatS3Url({ bucket, prefix }: Pick<S3Place, 'bucket' | 'prefix'>): string {
  return `${SCHEME}${bucket}/${prefix}`.replace(/\/$/, '')
}
