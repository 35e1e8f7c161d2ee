/** Limits of a depot, with values that tests replace. docs/limits.md lists all limits. */
export interface Limits {
  /** How long a client may pause while it sends a body. */
  readonly uploadIdleMs: number
  /** How long a body may take, in addition to the time that its bytes need at the lowest rate. */
  readonly bodyGraceMs: number
  /** The lowest rate at which a client may send a body. */
  readonly minBodyBytesPerSecond: number
  /** How long the head of a request may take. */
  readonly headMs: number
  /** How long a client may pause while it reads its answer. */
  readonly unreadMs: number
  /** The maximum number of bytes of answers that wait in memory for clients, in the whole depot. */
  readonly pendingBytes: number
  /**
   * The maximum number of connections of one thread. By default, the process's limit of open files decides.
   */
  readonly maxConnections?: number
  /**
   * The maximum number of bytes of request bodies in memory, in the whole depot, not counting packages, which
   * are streamed.
   */
  readonly bodyBytes: number
  /** How long a client may read slowly before it is disconnected to make room for others. */
  readonly slowAfterMs: number
  /** How many wrong tokens an address may send at once, and in each minute after that. */
  readonly wrongTokensPerMinute: number
  /** How long a file must be unneeded before it is removed. */
  readonly orphanGraceMs: number
  /** How long an upload's file may stay unchanged before it counts as abandoned and is removed. */
  readonly spoolGraceMs: number
}

export const LIMITS: Limits = {
  uploadIdleMs: 60_000,
  bodyGraceMs: 30_000,
  minBodyBytesPerSecond: 1_024,
  headMs: 60_000,
  unreadMs: 60_000,
  pendingBytes: 256 * 1024 * 1024,
  bodyBytes: 128 * 1024 * 1024,
  slowAfterMs: 10_000,
  wrongTokensPerMinute: 20,
  orphanGraceMs: 60 * 60_000,
  spoolGraceMs: 60 * 60_000,
}
