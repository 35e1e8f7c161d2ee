export interface Timing {
  /** How long a node may answer after it began to renew its lease. */
  readonly leaseMs: number
  readonly renewMs: number
  /** How much longer than a lease other nodes wait, because not all clocks run equally fast. */
  readonly marginMs: number
  /** How long a query may take, before the connection is given up. */
  readonly queryMs: number
}

export const TIMING: Timing = { leaseMs: 2_000, renewMs: 500, marginMs: 250, queryMs: 1_500 }
