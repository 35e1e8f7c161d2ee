// The codes of all errors that a caller can cause or needs to know. Any other error is a bug of the depot or a failure of the disk.
// Only http/requests/error-reply.ts maps codes to HTTP statuses.

export type ErrorCode =
  | 'invalid_request' //     a part of the request is malformed; the message names it
  | 'unauthenticated' //     no credential where one is needed, or one that is wrong, revoked or expired
  | 'too_many_attempts' //   too many wrong credentials came from one address
  | 'forbidden' //           the caller is known, and lacks the right
  | 'not_found' //           absent, or invisible to the requester
  | 'method_not_allowed' //  the path exists, but not for this method
  | 'already_exists' //      the name is taken
  | 'conflict' //            the change does not fit the present state
  | 'stale_revision' //      the view has moved on from the revision the caller expected
  | 'other_history' //       a position belongs to another history than this ledger's
  | 'stale_plan' //          the plan would now have another effect; `more` holds the plan that replaces it
  | 'idempotency_mismatch' // the Idempotency-Key was used with another request
  | 'too_large' //           more bytes than the depot accepts
  | 'length_mismatch' //     fewer or more bytes than Content-Length announced
  | 'stalled' //             the client stopped sending
  | 'hart_malformed' //      not a hart file: header, compression, archive or metadata
  | 'checksum_missing'
  | 'checksum_mismatch'
  | 'signer_unknown' //      the depot does not hold the signing key, or does not trust it
  | 'signature_invalid' //   the signature is wrong, or signs other bytes
  | 'ident_malformed'
  | 'ident_mismatch' //      the archive's IDENT is not the ident it was uploaded as
  | 'target_malformed'
  | 'target_mismatch' //     the archive's TARGET is not the target it was uploaded for
  | 'target_unsupported' //  a real target that this depot does not accept
  | 'key_malformed' //       not a public key file of the origin
  | 'secret_key_malformed' // not a secret key file of the origin
  | 'key_upload_forbidden' //       the caller may check for existing keys, and may not add one
  | 'origin_malformed'
  | 'origin_not_empty' //    the origin still has packages, members or other contents
  | 'invalid_value' //       a malformed number or word in the URL; elsewhere this is `invalid_request`
  | 'transfer_to_owner' //   the account already owns the origin
  | 'owner_cannot_depart' //       the owner cannot leave the origin
  | 'not_origin_member' //    the caller leaves an origin that is absent or of which it is not a member
  | 'token_not_owned' //     the token to revoke does not belong to the caller
  | 'view_absent' //         below the URL of a view that does not exist or is closed
  | 'read_only' //           a write below the URL of a view
  | 'refused' //             a rule of the view refuses the promotion
  | 'not_member' //          a release to demote is not in the view
  | 'in_use' //              a release to delete is in stable, or others depend on its package
  | 'release_differs' //     a published ident has other bytes than the forced upload or the lockfile
  | 'package_type_mismatch' // earlier releases of the package have the other type
  | 'lockfile_malformed'
  | 'storage_full'
  | 'blob_damaged' //        the bytes of a release are missing or damaged
  | 'blob_unreadable' //     the store cannot read the bytes of a release, although they may exist
  | 'data_in_use' //         another process holds the data folder
  | 'data_gone' //           the data folder was removed or replaced under the depot
  | 'shutting_down'
  | 'overloaded' //          too many requests of this kind wait; the client may retry

/** One cause among several, for answers that can carry a list. `pointer` names the part of the request (RFC 6901). */
export interface ErrorPart {
  detail: string
  pointer?: string
  /** The view's rule that refuses. */
  rule?: string
  /** The chain of dependencies, from the requested ident to the missing one. */
  chain?: readonly string[]
}

/** The maximum number of causes in one answer. */
const MAX_PARTS = 1_000

export class DepotError extends Error {
  readonly code: ErrorCode
  readonly parts: readonly ErrorPart[]
  /** Additional fields of the error's JSON in `/api/v1`, by name. */
  readonly more: Readonly<Record<string, unknown>>
  /** Builder's text for this error, where it depends on more than the code. */
  readonly builderText: string | undefined
  /** When the client may retry. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      cause?: unknown
      parts?: readonly ErrorPart[]
      more?: Readonly<Record<string, unknown>>
      builderText?: string
      retryAfterSeconds?: number
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DepotError'
    this.code = code
    this.parts = options.parts ?? []
    this.more = options.more ?? {}
    this.builderText = options.builderText
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Returns an error whose message is the first cause, with every cause as a part. */
export function refusalOf(code: ErrorCode, parts: readonly ErrorPart[]): DepotError {
  const [first, ...others] = parts
  // Other fields of a part may name releases that the caller may not see.
  const shown = parts.slice(0, MAX_PARTS).map(({ detail, pointer, rule, chain }): ErrorPart => ({
    ...(rule !== undefined && { rule }),
    detail,
    ...(pointer !== undefined && { pointer }),
    ...(chain !== undefined && { chain }),
  }))
  const message = others.length === 0 ? first?.detail : `${first?.detail}, and ${others.length} more`
  return new DepotError(code, message ?? code, { parts: shown })
}

/** Quotes user input for a message: control characters are escaped, and long text is cut. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown)
}

/** Cuts a text after `max` UTF-16 code units and appends its full length. */
export function shorten(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text
}
