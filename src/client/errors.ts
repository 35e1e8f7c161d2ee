/** A problem document (RFC 9457) of the depot, or what could be read of another answer. */
export interface Problem {
  readonly status: number
  /** A code of the depot, or `unknown` for an answer that is no problem document. */
  readonly code: string
  readonly detail: string
  /** Faults of the request, with JSON pointers into its body, or the rules of a view that refuse it. */
  readonly errors?: readonly { readonly detail: string; readonly pointer?: string; readonly rule?: string }[]
  readonly request_id?: string
  /** Further fields of some codes, for example `plan` of `stale_plan`. */
  readonly [more: string]: unknown
}

/** The depot refused a request. */
export class RequestRefused extends Error {
  readonly status: number
  readonly code: string
  readonly problem: Problem
  readonly retryAfterSeconds: number | undefined
  /** How to replace the token, as the client was told. */
  readonly tokenAdvice: string | undefined

  constructor(
    problem: Problem,
    {
      retryAfterSeconds,
      tokenAdvice,
    }: { retryAfterSeconds?: number | undefined; tokenAdvice?: string | undefined } = {},
  ) {
    super(problem.detail)
    this.name = 'RequestRefused'
    this.status = problem.status
    this.code = problem.code
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
    this.tokenAdvice = tokenAdvice
  }
}

export type UnreachableReason = 'refused' | 'dns' | 'tls' | 'timeout' | 'cut' | 'other'

/**
 * No answer arrived. A request that changes something may have been executed, unless the reason is `refused`,
 * `dns` or `tls`.
 */
export class Unreachable extends Error {
  readonly reason: UnreachableReason

  constructor(reason: UnreachableReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Unreachable'
    this.reason = reason
  }
}

/** The server answers, but not like a hart-depot: it is another program, an older depot or a proxy. */
export class NotADepot extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NotADepot'
  }
}

/** A downloaded package has another checksum, size or signature than it should have. */
export class DownloadDamaged extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DownloadDamaged'
  }
}

/** A file became shorter while it was uploaded. */
export class FileChanged extends Error {
  constructor(path: string) {
    super(`${path} became shorter while it was sent`)
    this.name = 'FileChanged'
  }
}
