import { setTimeout as pause } from 'node:timers/promises'
import type { Listener, ListenerOptions } from '../database/database.ts'

/**
 * Work that one node does for all. The numbers are those of PostgreSQL's advisory locks, and never change.
 */
export const JOBS = { webhooks: 1, upkeep: 2, refresh: 3, mirror: 4 } as const

export type Job = keyof typeof JOBS

/** The first half of each lock, so that the locks of jobs differ from others in the database. */
const LOCK_CLASS = 4_117_100
const CONTEND_EVERY_MS = 1_000
const QUERY_MS = 2_000
/** After a job has failed, the node lets every other node ask for it first. */
const ROUNDS_AFTER_FAILURE = 2

interface Contender {
  readonly job: Job
  readonly act: (signal: AbortSignal) => Promise<void>
  /** Present while this node leads. */
  leading: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  /** For how many rounds this node does not ask for the job. */
  waits: number
}

/** Ends the work on a job, and lets another node lead it. */
export type StopLeading = () => Promise<void>

/**
 * Lets one of all nodes do each job: the one that holds its advisory lock. PostgreSQL frees the locks of a
 * session that ends, so a job moves when its node dies. A node that is cut off stops within three seconds,
 * and PostgreSQL frees its locks later, when it notices. Jobs must bear being done twice for a moment: work
 * that was begun may end after the lock is lost.
 */
export class Leadership {
  readonly #connect: (options: ListenerOptions) => Promise<Listener>
  readonly #onError: (error: unknown) => void
  readonly #contenders = new Set<Contender>()
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #listener: Listener | undefined

  /** `onError` gets the errors of jobs, and the losses of the connection. */
  constructor(connect: (options: ListenerOptions) => Promise<Listener>, onError: (error: unknown) => void) {
    this.#connect = connect
    this.#onError = onError
  }

  /**
   * Calls `act` whenever this node comes to lead a job. `act` works until its signal aborts. If it ends
   * before, any node may lead the job next.
   */
  whileLeading(job: Job, act: (signal: AbortSignal) => Promise<void>): StopLeading {
    const contender: Contender = { job, act, leading: undefined, waits: 0 }
    this.#contenders.add(contender)
    this.#running ??= this.#run()
    return async () => {
      this.#contenders.delete(contender)
      if (contender.leading === undefined) return
      await endWork(contender)
      await this.#unlock(job)
    }
  }

  /** Ends all work. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        this.#listener ??= await this.#connect({
          timeoutMs: QUERY_MS,
          onNotification: () => undefined,
          onLost: () => undefined, // the next query notices it
        })
        await this.#contend(this.#listener)
      } catch (error) {
        this.#onError(error)
        await this.#endAll()
      }
      await pause(CONTEND_EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
    await this.#endAll()
  }

  /** Takes the free locks of jobs that this node does not lead. Rejects if the connection is lost. */
  async #contend(listener: Listener): Promise<void> {
    const [row] = await listener.query<{ held: number }>(
      `select count(*) as held from pg_locks where locktype = 'advisory' and classid = $1 and pid = pg_backend_pid()`,
      [LOCK_CLASS],
    )
    const leading = [...this.#contenders].filter((contender) => contender.leading !== undefined)
    if ((row?.held ?? 0) < leading.length) throw new Error('PostgreSQL has freed the locks of this node')
    for (const contender of this.#contenders) {
      if (contender.leading !== undefined) continue
      if (contender.waits > 0) {
        contender.waits -= 1
        continue
      }
      const [answer] = await listener.query<{ taken: number }>(
        'select pg_try_advisory_lock($1, $2)::int as taken',
        [LOCK_CLASS, JOBS[contender.job]],
      )
      if (answer?.taken !== 1) continue
      if (this.#contenders.has(contender)) this.#begin(contender)
      else await this.#unlock(contender.job) // it was stopped meanwhile
    }
  }

  #begin(contender: Contender): void {
    const abort = new AbortController()
    const work = async (): Promise<void> => {
      try {
        await contender.act(abort.signal)
      } catch (error) {
        if (!abort.signal.aborted) this.#onError(error)
      }
      if (abort.signal.aborted) return
      abort.abort() // ends what is left of the work
      contender.leading = undefined
      contender.waits = ROUNDS_AFTER_FAILURE
      await this.#unlock(contender.job)
    }
    contender.leading = { abort, done: work() }
  }

  async #unlock(job: Job): Promise<void> {
    await this.#listener
      ?.query('select pg_advisory_unlock($1, $2)', [LOCK_CLASS, JOBS[job]])
      .catch(() => undefined) // the lock ends with the connection
  }

  async #endAll(): Promise<void> {
    await Promise.all([...this.#contenders].map(endWork))
    await this.#listener?.close()
    this.#listener = undefined
  }
}

async function endWork(contender: Contender): Promise<void> {
  const { leading } = contender
  leading?.abort.abort()
  await leading?.done
  contender.leading = undefined
}
