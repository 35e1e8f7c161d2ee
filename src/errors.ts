/**
 * All problem codes: what each means, and what the caller can do. docs/errors.md and openapi.yaml are made
 * from this table. `internal` stands for every error that no caller caused: a bug of the depot or a failure
 * of the disk. Only http/requests/error-reply.ts maps codes to HTTP statuses.
 */
export const PROBLEMS = {
  invalid_request: {
    meaning: 'A part of the request is malformed. `errors` names each part.',
    advice: 'Correct the request.',
  },
  unauthenticated: {
    meaning: 'The request needs a token and has none, or its token is wrong, revoked or expired.',
    advice: 'Send a valid token. Do not repeat the request with the same one.',
  },
  too_many_attempts: {
    meaning:
      'Too many wrong tokens, or too many requests that upstream has to answer, came from one address.',
    advice: 'Correct the token, if it is wrong, and repeat the request after `Retry-After` seconds.',
  },
  forbidden: {
    meaning: 'The caller is known, and lacks the right.',
    advice: 'Use an account or a token with the right that `detail` names.',
  },
  not_found: {
    meaning: 'The thing does not exist, or the caller may not see it.',
    advice: 'Check the name, and whether the token may see it.',
  },
  method_not_allowed: {
    meaning: 'The path exists, but not for this method.',
    advice: 'Use a method that `Allow` lists.',
  },
  already_exists: {
    meaning: 'The name is taken.',
    advice: 'Choose another name, or use the thing that has it.',
  },
  conflict: {
    meaning:
      'The change does not fit the present state, for example because a limit is reached or a plan has ended.',
    advice: 'Read the present state, and decide again.',
  },
  stale_revision: {
    meaning: 'The view is not at the revision that the request names.',
    advice: 'Read the view again, and decide again. For a read with `min_revision`, wait and repeat.',
  },
  other_history: {
    meaning:
      'A position or a `revision_id` belongs to another history: the depot was restored from an older copy.',
    advice: 'Read everything again from the beginning.',
  },
  stale_plan: {
    meaning:
      'The plan would now have another effect. `plan` is the plan that replaces it, if the caller may see all of it.',
    advice: 'Read the new plan, and apply that one.',
  },
  stale_settings: {
    meaning: 'The settings of the view have changed since the caller read them. `detail` names which.',
    advice: 'Read the settings again, and decide again.',
  },
  idempotency_mismatch: {
    meaning: 'The Idempotency-Key was already used for another request.',
    advice: 'Use a new key for each new request.',
  },
  too_large: {
    meaning:
      'The request has more bytes, values or releases than the depot accepts, or would change more than a limit allows.',
    advice: 'Send less, in several requests.',
  },
  length_mismatch: {
    meaning: 'Fewer or more bytes arrived than Content-Length announced.',
    advice: 'Repeat the request.',
  },
  stalled: { meaning: 'The client stopped sending, or sent too slowly.', advice: 'Repeat the request.' },
  hart_malformed: {
    meaning: 'The file is not a hart file, or its header, compression, archive or metadata is invalid.',
    advice: 'Build the package again.',
  },
  checksum_missing: {
    meaning: 'The upload names no checksum.',
    advice: 'Send `checksum`, the BLAKE2b-256 of the file in hex.',
  },
  checksum_mismatch: {
    meaning: 'The bytes have another checksum than the upload names.',
    advice: 'Send the file again. If that fails, build it again.',
  },
  signer_unknown: {
    meaning: 'The depot does not have the key that signed the file, or does not trust it.',
    advice: 'Upload the public key of the origin, or trust the key of the depot, and repeat the request.',
  },
  signature_invalid: {
    meaning: 'The signature is wrong, or signs other bytes.',
    advice: 'Sign the file again.',
  },
  ident_malformed: {
    meaning: 'An ident, or a part of one, is malformed.',
    advice: 'Write it as `origin/name/version/release`.',
  },
  ident_mismatch: {
    meaning: 'The ident in the archive is not the one it was uploaded as.',
    advice: 'Upload it as the ident that `detail` names.',
  },
  target_malformed: {
    meaning: 'The target is not one that Habitat knows.',
    advice: 'Use a target such as `x86_64-linux`.',
  },
  target_mismatch: {
    meaning: 'The target in the archive is not the one it was uploaded for.',
    advice: 'Upload it for the target that `detail` names.',
  },
  target_unsupported: {
    meaning: 'The target exists, and this depot does not accept it.',
    advice: 'Upload to another depot.',
  },
  key_malformed: {
    meaning: 'The body is not the public key file that the request needs.',
    advice: 'Send the unchanged key file.',
  },
  secret_key_malformed: {
    meaning: 'The body is not a secret key file of the origin.',
    advice: 'Send the unchanged key file.',
  },
  key_upload_forbidden: {
    meaning: 'The caller may check for keys of the origin, and may not add one.',
    advice: 'Ask an administrator of the origin.',
  },
  origin_malformed: {
    meaning: 'The name of the origin is malformed.',
    advice: 'Use lower-case letters, digits, `-` and `_`, beginning with a letter or a digit.',
  },
  origin_reserved: {
    meaning: 'The name is reserved for origins that an administrator of the depot creates.',
    advice: 'Choose another name, or ask an administrator to create the origin and to hand it over.',
  },
  origin_not_empty: {
    meaning: 'The origin still has packages, members or other contents.',
    advice: 'Delete what `detail` names first.',
  },
  origin_from_upstream: {
    meaning: 'The origin comes from the upstream depot, so its releases and keys cannot be added here.',
    advice: 'Use an origin of your own.',
  },
  invalid_value: { meaning: 'A number or a word in the URL is malformed.', advice: 'Correct the URL.' },
  transfer_to_owner: { meaning: 'The account already owns the origin.', advice: 'There is nothing to do.' },
  owner_cannot_depart: {
    meaning: 'The owner cannot leave the origin.',
    advice: 'Transfer the origin first.',
  },
  not_origin_member: {
    meaning: 'The origin does not exist, or the caller is not a member of it.',
    advice: 'Check the name.',
  },
  token_not_owned: {
    meaning: 'The token to revoke does not belong to the caller.',
    advice: 'Check the id of the token.',
  },
  view_absent: {
    meaning: 'The URL is below a view that does not exist or is closed.',
    advice: 'Correct the depot URL. `detail` names the nearest view.',
  },
  read_only: {
    meaning: 'A view URL accepts no writes.',
    advice: 'Send the request to the URL that `detail` names.',
  },
  refused: {
    meaning: 'A rule of the view refuses the change. `errors` names each rule.',
    advice: 'Meet the rule, or override it with a reason, if the caller may.',
  },
  not_member: {
    meaning: 'A release to remove is not in the view.',
    advice: 'Read the members of the view again.',
  },
  in_use: {
    meaning: 'A release to delete is in stable, or others depend on its package.',
    advice: 'Demote it, or delete the others first.',
  },
  release_differs: {
    meaning: 'An ident is already published with other bytes.',
    advice: 'Build a new release.',
  },
  package_type_mismatch: {
    meaning: 'Earlier releases of the package have the other type.',
    advice: 'Use another name for the package.',
  },
  phase_running: {
    meaning: 'Another holder has the lease of this phase of the change.',
    advice: 'Wait until `expires_at`. If `holder` is dead, take the phase over.',
  },
  lease_lost: {
    meaning: 'The lease of this phase of the change has another holder by now, or none. Nothing was stored.',
    advice: 'Stop running the phase.',
  },
  lockfile_malformed: {
    meaning: 'The text is not a lockfile, or was cut off.',
    advice: 'Download the lockfile again.',
  },
  storage_full: {
    meaning: 'The disk of the depot is full. Nothing was changed.',
    advice: 'Repeat the request when the operator has made room.',
  },
  storage_unavailable: {
    meaning: 'The storage of packages cannot be reached, or refuses the depot. Nothing was published.',
    advice: 'Repeat the request after `Retry-After` seconds.',
  },
  quota_exceeded: {
    meaning: 'The release would exceed the quota of its origin or of the depot. Nothing was stored.',
    advice: 'Delete releases, or ask an administrator of the depot for a larger quota.',
  },
  blob_damaged: {
    meaning: 'The bytes of the release are missing or damaged.',
    advice: 'Upload the same file again. It repairs the release.',
  },
  blob_unreadable: {
    meaning: 'The bytes of the release cannot be read now.',
    advice: 'Repeat the request later.',
  },
  upstream_failed: {
    meaning: 'Upstream does not answer, or what it answers is refused.',
    advice: 'Repeat the request later. `detail` says what is wrong.',
  },
  data_in_use: { meaning: 'Another process holds the data folder.', advice: 'Stop the other process.' },
  data_gone: {
    meaning: 'The data folder was removed or replaced while the depot ran.',
    advice: 'Tell the operator. Repeat the request when the depot has been restarted.',
  },
  shutting_down: { meaning: 'The depot is stopping.', advice: 'Repeat the request after some seconds.' },
  overloaded: {
    meaning: 'Too many requests of this kind wait.',
    advice: 'Repeat the request after `Retry-After` seconds.',
  },
  moving: {
    meaning: 'The depot accepts no changes, because it is being moved to another database, or was moved.',
    advice:
      'If the answer has `Retry-After`, repeat the request after so many seconds. Otherwise the depot was moved: ask its operator where it is now.',
  },
  database_unavailable: {
    meaning:
      'The server of the database cannot be reached, is busy, or accepts no changes now. `detail` says whether the change may have been made.',
    advice: 'Repeat the request after `Retry-After` seconds, with the same Idempotency-Key.',
  },
  issuer_unavailable: {
    meaning: 'The service that signs people or jobs in cannot be reached, so their tokens cannot be checked.',
    advice: 'Repeat the request after `Retry-After` seconds.',
  },
  internal: {
    meaning: 'The depot failed. Its log has the cause under `request_id`.',
    advice: 'Repeat the request once. Report it if it fails again.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly advice: string }>

/** The code of an error that a caller can cause or needs to know. */
export type ErrorCode = Exclude<keyof typeof PROBLEMS, 'internal'>

/**
 * One cause among several, for answers that can carry a list. `pointer` names the part of the request (RFC
 * 6901).
 */
export interface ErrorPart {
  detail: string
  pointer?: string
  /** The gate of the view that refuses, for example `freeze`. The API calls it a rule. */
  rule?: string
  /** The chain of dependencies, from the requested ident to the missing one. */
  chain?: readonly string[]
}

/** The maximum number of causes in one answer. */
const MAX_PARTS = 1_000

/**
 * An error that a caller caused or needs to know. Everything else that is thrown is a fault of the depot or
 * of its machine, which callers see as `internal`.
 */
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

/** Returns the error for calls to a part of the depot that is closed or closing. */
export function shuttingDown(): DepotError {
  return new DepotError('shutting_down', 'the depot is shutting down')
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

/** Quotes a client's text for a message. Escapes control characters, and cuts long text. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown)
}

/** Cuts a text after `max` UTF-16 code units and appends its full length. */
export function shorten(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text
}
