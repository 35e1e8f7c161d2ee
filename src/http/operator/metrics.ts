import type { FastifyReply, FastifyRequest } from 'fastify'
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { countDamaged, readScrub, readStored } from '../../blobs/blob-store.ts'
import { readDiskSpace } from '../../blobs/disk-space.ts'
import type { Depot } from '../../depot/open.ts'
import type { LedgerEntry } from '../../ledger/entry.ts'
import type { Feed } from '../../following/feed.ts'
import { findHead } from '../../ledger/ledger-store.ts'
import { listViews } from '../../revisions/view-store.ts'
import { WEBHOOK_STATES, stateOf } from '../../webhooks/progress.ts'
import type { Webhooks } from '../../delivery/webhooks.ts'
import type { PendingAnswers } from '../requests/pending-answers.ts'
import type { ReceivedBodies } from '../requests/received-bodies.ts'
import type { FastAnswer } from '../habitat/polls/fast-path.ts'

const REQUEST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const BATCH_COMMANDS = [1, 2, 4, 8, 16, 32, 64]

const HABITAT = { door: 'habitat' } as const
const POLLS = {
  200: { ...HABITAT, method: 'GET', status: '2xx' },
  304: { ...HABITAT, method: 'GET', status: '3xx' },
  404: { ...HABITAT, method: 'GET', status: '4xx' },
} as const

/** Metrics in the text format of Prometheus. */
export interface MetricsText {
  readonly type: string
  readonly body: string
}

/** Metrics in the form that one thread sends to another. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** The metrics of the requests that one thread answers. Recording a request takes less than a microsecond. */
export class RequestMetrics {
  readonly #registry = new Registry()
  readonly #requests: Histogram<'door' | 'method' | 'status'>
  readonly #sentBytes: Counter<'door'>
  readonly #wrongTokens: Counter<'answer'>
  readonly #exhausted: Counter<'what'>

  constructor({
    feed,
    pending,
    bodies,
  }: {
    readonly feed: Feed
    readonly pending: PendingAnswers
    readonly bodies: ReceivedBodies
  }) {
    const registers = [this.#registry]
    this.#requests = new Histogram({
      name: 'hart_depot_request_duration_seconds',
      help: 'Time from the headers of a request to the end of its answer. Requests that waited for an event have the door "held"',
      labelNames: ['door', 'method', 'status'],
      buckets: REQUEST_SECONDS,
      registers,
    })
    this.#sentBytes = new Counter({
      name: 'hart_depot_sent_bytes_total',
      help: 'Sum of the Content-Length of answers',
      labelNames: ['door'],
      registers,
    })
    this.#wrongTokens = new Counter({
      name: 'hart_depot_wrong_tokens_total',
      help: 'Requests with a wrong token: refused (401), or limited (429) after too many from one address',
      labelNames: ['answer'],
      registers,
    })
    this.#exhausted = new Counter({
      name: 'hart_depot_file_descriptors_exhausted_total',
      help: 'Connections refused to save file descriptors, and requests that failed for lack of one; see also process_open_fds and process_max_fds',
      labelNames: ['what'],
      registers,
    })
    for (const what of ['connection', 'request']) this.#exhausted.inc({ what }, 0)
    const followers = new Gauge({
      name: 'hart_depot_followers',
      help: 'Requests that wait for an event, and open event streams',
      registers,
      collect() {
        followers.set(feed.load.watches)
      },
    })
    const waiting = new Gauge({
      name: 'hart_depot_pending_answer_bytes',
      help: 'Bytes of answers that wait in memory for their clients',
      registers,
      collect() {
        waiting.set(pending.bytes)
      },
    })
    const received = new Gauge({
      name: 'hart_depot_received_body_bytes',
      help: 'Bytes of request bodies, other than packages, that are held in memory until the request is answered',
      registers,
      collect() {
        received.set(bodies.bytes)
      },
    })
  }

  /** Records an answered request. */
  recordRequest(request: FastifyRequest, reply: FastifyReply): void {
    if (request.lacksDescriptors) this.#exhausted.inc({ what: 'request' })
    const door = request.isHeld ? 'held' : doorOf(request.url)
    this.#requests.observe(
      { door, method: request.method, status: `${Math.trunc(reply.statusCode / 100)}xx` },
      reply.elapsedTime / 1_000,
    )
    const length = Number(reply.getHeader('content-length'))
    if (length > 0 && request.method !== 'HEAD') this.#sentBytes.inc({ door }, length)
  }

  recordRefusedConnection(): void {
    this.#exhausted.inc({ what: 'connection' })
  }

  /** Records a poll that was answered on the fast path. */
  recordPoll({ status, bodyBytes, ms }: FastAnswer): void {
    this.#requests.observe(POLLS[status], ms / 1_000)
    if (bodyBytes > 0) this.#sentBytes.inc(HABITAT, bodyBytes)
  }

  recordWrongToken(answer: 'refused' | 'limited'): void {
    this.#wrongTokens.inc({ answer })
  }

  toJson(): Promise<MetricsJson> {
    return this.#registry.getMetricsAsJSON()
  }
}

/**
 * The metrics of the whole depot, and the sums of the request metrics of all threads. Clients cannot create
 * values of labels: no label holds an ident, a URL, an account or a client, and no label holds a view that a
 * client made.
 */
export class DepotMetrics {
  readonly #registry = new Registry()
  readonly #ofAllThreads: () => Promise<readonly MetricsJson[]>

  constructor(
    depot: Depot,
    { webhooks, ofThreads }: { webhooks: Webhooks; ofThreads: () => Promise<readonly MetricsJson[]> },
  ) {
    this.#ofAllThreads = ofThreads
    collectDefaultMetrics({ register: this.#registry })
    this.#countCommits(depot)
    this.#measureViews(depot)
    this.#countWebhooks(webhooks)
    this.#measureDisks(depot)
  }

  /** Returns all metrics in the text format of Prometheus. */
  async text(): Promise<MetricsText> {
    const summed = AggregatorRegistry.aggregate([...(await this.#ofAllThreads())])
    return {
      type: this.#registry.contentType,
      body: `${await this.#registry.metrics()}${await summed.metrics()}`,
    }
  }

  #countCommits(depot: Depot): void {
    const registers = [this.#registry]
    const commits = new Histogram({
      name: 'hart_depot_commit_duration_seconds',
      help: 'Time from the BEGIN of a batch of commands until the batch is durable',
      buckets: COMMIT_SECONDS,
      registers,
    })
    const batches = new Histogram({
      name: 'hart_depot_commit_commands',
      help: 'Commands per commit',
      buckets: BATCH_COMMANDS,
      registers,
    })
    const promotions = new Counter({
      name: 'hart_depot_promotions_total',
      help: 'Revisions of views, by the act that made the revision',
      labelNames: ['act', 'cause'],
      registers,
    })
    const uploads = new Counter({ name: 'hart_depot_uploads_total', help: 'Releases published', registers })
    const uploadedBytes = new Counter({
      name: 'hart_depot_uploaded_bytes_total',
      help: 'Bytes of the releases published',
      registers,
    })
    const sequence = new Gauge({
      name: 'hart_depot_ledger_sequence',
      help: 'Sequence number of the last ledger entry',
      registers,
    })
    const count = ({ event }: LedgerEntry) => {
      if (event.kind === 'promotion') promotions.inc({ act: event.act, cause: event.cause ?? 'asked' })
      if (event.kind !== 'release-published') return
      uploads.inc()
      uploadedBytes.inc(event.sizeBytes)
    }
    const ahead = new Gauge({
      name: 'hart_depot_commit_time_ahead_seconds',
      help: 'Seconds by which the last commit time is ahead of the clock. More than a minute means that the clock was set back or is wrong',
      registers,
      async collect() {
        ahead.set(Math.max((await findHead(depot.db)).at - depot.now(), 0) / 1_000)
      },
    })
    depot.writer.onAnnouncement((_announcement, commit) => {
      if (commit === undefined) return
      commits.observe(commit.durationMs / 1_000)
      batches.observe(commit.commands)
    })
    depot.follower.subscribe('metrics', {
      onCommit(entries) {
        for (const entry of entries) count(entry)
        sequence.set(depot.follower.head.sequence)
      },
    })
  }

  #measureViews(depot: Depot): void {
    const revisions = new Gauge({
      name: 'hart_depot_view_revision',
      help: 'Current revision of a view; views made by clients are left out',
      labelNames: ['view'],
      registers: [this.#registry],
      async collect() {
        revisions.reset()
        for (const view of await listViews(depot.db))
          if (view.maker !== 'client') revisions.set({ view: view.name }, view.revision)
      },
    })
  }

  #measureDisks(depot: Depot): void {
    const registers = [this.#registry]
    const labelNames = ['holds'] as const
    const disks = async () => Object.entries(await readDiskSpace(depot).catch(() => ({}))) // a missing folder must not fail the other metrics
    const free = new Gauge({
      name: 'hart_depot_disk_free_bytes',
      help: 'Free bytes on the disk of the database or the packages',
      labelNames,
      registers,
      async collect() {
        free.reset()
        for (const [holds, { freeBytes }] of await disks()) free.set({ holds }, freeBytes)
      },
    })
    const reserve = new Gauge({
      name: 'hart_depot_disk_reserve_bytes',
      help: 'Bytes that uploads leave free on the disk of the database or the packages',
      labelNames,
      registers,
      async collect() {
        reserve.reset()
        for (const [holds, { reserveBytes }] of await disks()) reserve.set({ holds }, reserveBytes)
      },
    })
    const stored = new Gauge({
      name: 'hart_depot_stored_bytes',
      help: 'Bytes of stored packages, including deleted ones that are not yet collected',
      registers,
      async collect() {
        stored.set((await readStored(depot.db)).bytes)
      },
    })
    const scrubbed = new Counter({
      name: 'hart_depot_scrubbed_bytes_total',
      help: 'Bytes of packages that were read again to find damage',
      registers,
      collect() {
        scrubbed.reset()
        scrubbed.inc(depot.upkeep?.scrub.scrubbedBytes ?? 0)
      },
    })
    const collected = new Counter({
      name: 'hart_depot_collected_files_total',
      help: 'Files that were removed because no release needed them',
      registers,
      collect() {
        collected.reset()
        collected.inc(depot.upkeep?.collector.collected ?? 0)
      },
    })
    const lastPass = new Gauge({
      name: 'hart_depot_scrub_last_pass_timestamp_seconds',
      help: 'Time in Unix seconds at which the last scrub of all packages ended; 0 if none has ended',
      registers,
      async collect() {
        lastPass.set(((await readScrub(depot.db)).endedAt ?? 0) / 1_000)
      },
    })
    const damaged = new Gauge({
      name: 'hart_depot_damaged_blobs',
      help: 'Packages with damaged bytes. The depot serves each again once the same bytes are uploaded',
      registers,
      async collect() {
        damaged.set(await countDamaged(depot.db))
      },
    })
  }

  /**
   * The names of webhooks are values of a label: only administrators make webhooks, and their number is
   * limited.
   */
  #countWebhooks(webhooks: Webhooks): void {
    const registers = [this.#registry]
    const attempts = new Counter({
      name: 'hart_depot_webhook_attempts_total',
      help: 'Attempts to deliver an entry to a webhook, by outcome',
      labelNames: ['outcome'],
      registers,
    })
    webhooks.onReceipt(({ verdict, status }) =>
      attempts.inc({ outcome: verdict === 'failed' && status === undefined ? 'unanswered' : verdict }),
    )
    const states = new Gauge({
      name: 'hart_depot_webhooks',
      help: 'Webhooks, by state',
      labelNames: ['state'],
      registers,
      collect() {
        for (const state of WEBHOOK_STATES) states.set({ state }, 0)
        for (const { progress } of webhooks.progresses()) states.inc({ state: stateOf(progress) })
      },
    })
    const behind = new Gauge({
      name: 'hart_depot_webhook_behind_entries',
      help: 'Ledger entries that a webhook has not yet processed',
      labelNames: ['webhook'],
      registers,
      collect() {
        behind.reset()
        for (const { name, progress } of webhooks.progresses())
          behind.set({ webhook: name }, webhooks.behind(progress))
      },
    })
  }
}

function doorOf(url: string): 'habitat' | 'api' | 'operator' {
  return url.startsWith('/v1/') ? 'habitat' : url.startsWith('/api/') ? 'api' : 'operator'
}
