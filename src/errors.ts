// Every refusal a caller can cause or must know of has a code here; anything else that is thrown is our bug or the disk's.
// What a code means as an HTTP status stands in http/requests/error-reply.ts, and nowhere else.

export type ErrorCode =
  | 'invalid_request' //     a part of the request is malformed; the message names it
  | 'unauthenticated' //     no credential where one is needed, or one that is wrong, revoked or expired
  | 'too_many_attempts' //   too many wrong credentials came from one address
  | 'forbidden' //           known, but not allowed
  | 'not_found' //           absent, or invisible to the requester
  | 'method_not_allowed' //  the path exists, but not for this method
  | 'already_exists' //      the name is taken
  | 'conflict' //            the state of the thing refuses the change
  | 'stale_revision' //      the view has moved on from the revision the caller expected
  | 'other_history' //       a position was read in a history that is not this ledger's
  | 'stale_plan' //          a plan would no longer do what it says; `more` holds the one that takes its place
  | 'idempotency_mismatch' // the same Idempotency-Key came before with another request
  | 'too_large' //           more bytes than the depot takes
  | 'length_mismatch' //     fewer or more bytes than Content-Length announced
  | 'stalled' //             the client stopped sending
  | 'hart_malformed' //      not a hart file: header, compression, archive or metadata
  | 'checksum_missing'
  | 'checksum_mismatch'
  | 'signer_unknown' //      signed with a key the depot does not hold, or does not trust
  | 'signature_invalid' //   the signature does not open, or signs other bytes
  | 'ident_malformed'
  | 'ident_mismatch' //      the archive's IDENT is not the ident it was uploaded as
  | 'target_malformed'
  | 'target_mismatch' //     the archive's TARGET is not the target it was uploaded for
  | 'target_unsupported' //  a real target this depot does not take
  | 'key_malformed' //       not the file of the origin's public key
  | 'secret_key_malformed' // nor of its secret one
  | 'key_upload_forbidden' //       a new key, from who may only be told of those there are
  | 'origin_malformed'
  | 'origin_not_empty' //    something in it must go before it can
  | 'invalid_value' //       a number or word in the URL is none; elsewhere in a request it is `invalid_request`
  | 'transfer_to_owner' //   an origin is given to who has it
  | 'owner_cannot_depart' //       an origin would be left without its owner
  | 'not_origin_member' //    from an origin that the caller is no member of, or that is not there
  | 'token_not_owned' //     a token to revoke is not one of the caller's
  | 'view_absent' //         below the URL of a view that does not exist or is closed
  | 'read_only' //           a write below the URL of a view
  | 'refused' //             a rule of the view refuses the promotion
  | 'not_member' //          a release to demote is not in the view
  | 'in_use' //              a release to delete is in stable, or others depend on its package
  | 'release_differs' //     a published ident has other bytes than a forced upload, or than a lockfile says
  | 'package_type_mismatch' // earlier releases of the package are of the other type
  | 'lockfile_malformed'
  | 'storage_full'
  | 'blob_damaged' //        the bytes of a release are damaged on the disk
  | 'data_in_use' //         another process holds the data directory
  | 'data_gone' //           the data folder was removed or replaced under the depot
  | 'shutting_down'
  | 'overloaded' //          too much of the same waits; the client may try again

/** One cause among several, for answers that can carry a list. `pointer` names the part of the request (RFC 6901). */
export interface ErrorPart {
  detail: string
  pointer?: string
  /** The rule of a view that says so. */
  rule?: string
  /** Idents, from the one that was asked for to the one that is missing. */
  chain?: readonly string[]
}

/** How many causes an answer carries. */
const MOST_PARTS = 1_000

export class DepotError extends Error {
  readonly code: ErrorCode
  readonly parts: readonly ErrorPart[]
  /** What an answer of our own door carries besides, by its names there. */
  readonly more: Readonly<Record<string, unknown>>
  /** The text that Builder answers in this case, where it names something and so does not follow from the code. */
  readonly builderText: string | undefined
  /** When the same request may fare better. */
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

/** Tells of the first cause in one sentence, and of all in parts. */
export function refusalOf(code: ErrorCode, parts: readonly ErrorPart[]): DepotError {
  const [first, ...others] = parts
  // What a part has besides is for whoever judges it, and may name what the caller may not see.
  const told = parts.slice(0, MOST_PARTS).map(({ detail, pointer, rule, chain }): ErrorPart => ({
    ...(rule !== undefined && { rule }),
    detail,
    ...(pointer !== undefined && { pointer }),
    ...(chain !== undefined && { chain }),
  }))
  const message = others.length === 0 ? first?.detail : `${first?.detail}, and ${others.length} more`
  return new DepotError(code, message ?? code, { parts: told })
}

/** User input inside a message: visible, and short. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown)
}

/** The beginning of a text that is longer than `most` UTF-16 code units, and how long it is. */
export function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text
}
