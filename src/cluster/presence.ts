/** A node, as its row in the table `nodes` was read. */
export interface NodeRow {
  /** The incarnation: every start of a node has a new id. */
  readonly id: string
  readonly name: string
  /** The number of the lease's renewal. It rises with each. */
  readonly renewal: number
  /** The sequence of the last entry that every thread of the node knows. */
  readonly applied: number
}

/** When a read began and ended, in milliseconds of a monotonic clock. */
export interface ReadTimes {
  readonly begun: number
  readonly ended: number
}

interface Observed extends NodeRow {
  /** The end of the first read that found this renewal. */
  readonly since: number
  hasEnded: boolean
}

interface Waiting {
  readonly sequence: number
  readonly since: number
  /** The nodes that must still apply the sequence. Unknown until the rows were read after `since`. */
  nodes: Set<string> | undefined
  resolve(): void
}

/**
 * What one node knows of the others, and which of its commits they have applied. Never compares clocks of two
 * machines: a lease has ended if two reads find the same renewal, and the second read began at least
 * `leaseMs + marginMs` after the first one ended (docs/decisions/0085).
 */
export class Presence {
  readonly #own: string
  readonly #endsAfterMs: number
  #nodes = new Map<string, Observed>()
  readonly #waiting = new Set<Waiting>()
  /** The last sequence that all nodes are known to have applied. */
  #confirmed = 0
  /** Reads that begin earlier do not count: rows may have been lost with the server that had them. */
  #trustedFrom: number

  /** `own` is the id of the node that observes. */
  constructor(own: string, { leaseMs, marginMs }: { leaseMs: number; marginMs: number }, at: number) {
    this.#own = own
    this.#endsAfterMs = leaseMs + marginMs
    this.#trustedFrom = at + this.#endsAfterMs
  }

  /** Trusts the absence of nodes only after every lease that was given out before `at` has ended. */
  distrust(at: number): void {
    this.#trustedFrom = at + this.#endsAfterMs
  }

  /** Whether there are other nodes. */
  get hasOthers(): boolean {
    return this.#nodes.size > 0
  }

  /**
   * Resolves once all nodes that had a lease at `at` have applied a sequence, or have lost the lease. The
   * sequence must have been committed before `at`. A node that comes later reads it before it serves.
   */
  applied(sequence: number, at: number): Promise<void> {
    if (sequence <= this.#confirmed) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add({ sequence, since: at, nodes: undefined, resolve })
    return promise
  }

  /** Takes all rows of the table. Returns the nodes whose leases were found ended for the first time. */
  observe(rows: readonly NodeRow[], { begun, ended }: ReadTimes): readonly NodeRow[] {
    const nodes = new Map<string, Observed>()
    const lost: NodeRow[] = []
    for (const row of rows) {
      if (row.id === this.#own) continue
      const known = this.#nodes.get(row.id)
      const isRenewed = known?.renewal !== row.renewal
      const observed: Observed = {
        ...row,
        applied: Math.max(known?.applied ?? 0, row.applied),
        since: isRenewed ? ended : known.since,
        hasEnded: !isRenewed && begun >= known.since + this.#endsAfterMs,
      }
      if (observed.hasEnded && known?.hasEnded === false) lost.push(row)
      nodes.set(row.id, observed)
    }
    this.#nodes = nodes
    if (begun >= this.#trustedFrom) for (const waiting of this.#waiting) this.#check(waiting, begun)
    return lost
  }

  /** Records that a node says it has applied a sequence. */
  confirm(id: string, sequence: number): void {
    const node = this.#nodes.get(id)
    if (node === undefined || node.applied >= sequence) return
    this.#nodes.set(id, { ...node, applied: sequence })
    for (const waiting of this.#waiting) if (waiting.nodes !== undefined) this.#settle(waiting)
  }

  /** Returns when the next read can confirm a sequence that a commit waits for; `undefined` if none waits. */
  nextRead(): number | undefined {
    const times = [...this.#waiting].flatMap(({ since, nodes }) =>
      nodes === undefined
        ? [Math.max(since, this.#trustedFrom)]
        : [...nodes].map((id) => (this.#nodes.get(id)?.since ?? 0) + this.#endsAfterMs),
    )
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** The nodes that keep a sequence from being confirmed, for the log. */
  laggards(): readonly NodeRow[] {
    const ids = new Set([...this.#waiting].flatMap(({ nodes }) => [...(nodes ?? [])]))
    return [...this.#nodes.values()].filter(({ id }) => ids.has(id))
  }

  #check(waiting: Waiting, begun: number): void {
    if (waiting.nodes === undefined) {
      if (begun < waiting.since) return // the read may miss a node that came before the commit
      waiting.nodes = new Set(this.#nodes.keys())
    }
    for (const id of waiting.nodes) if (this.#nodes.get(id)?.hasEnded !== false) waiting.nodes.delete(id)
    this.#settle(waiting)
  }

  #settle(waiting: Waiting): void {
    const { sequence, nodes = new Set() } = waiting
    for (const id of nodes) if ((this.#nodes.get(id)?.applied ?? 0) >= sequence) nodes.delete(id)
    if (nodes.size > 0) return
    this.#waiting.delete(waiting)
    this.#confirmed = Math.max(this.#confirmed, sequence)
    waiting.resolve()
  }
}
