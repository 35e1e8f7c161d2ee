import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { countDamaged, readScrub, readStored } from '../../blobs/blob-store.ts'
import { readDiskSpace } from '../../blobs/disk-space.ts'
import type { Webhooks } from '../../delivery/webhooks.ts'
import { findLastBackup } from '../../depot/last-backup.ts'
import type { Depot } from '../../depot/depot.ts'
import type { LedgerEntry } from '../../ledger/entry.ts'
import { readVersion } from '../../package-root.ts'
import { estimateViews } from '../../pollers/pollers.ts'
import type { PollCounts } from '../../pollers/pollers.ts'
import { readQuarantine } from '../../retention/quarantine-store.ts'
import { listViews } from '../../revisions/view-store.ts'
import { WEBHOOK_STATES, stateOf } from '../../webhooks/progress.ts'
import { addGauge } from './gauge.ts'
import { PROBLEMS, checkReadiness, commitTimeAheadMs } from './readiness.ts'
import type { OpenedUpstream } from '../../upstream/opened-upstream.ts'
import { measureUpstream } from './upstream-metrics.ts'
import type { MetricsJson } from './request-metrics.ts'
import { measureStorage } from './storage-metrics.ts'

const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const BATCH_COMMANDS = [1, 2, 4, 8, 16, 32, 64]

/** Metrics in the text format of Prometheus. */
export interface MetricsText {
  readonly type: string
  readonly body: string
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
    {
      webhooks,
      upstream,
      pollCounts,
      ofThreads,
    }: {
      webhooks: Webhooks
      upstream: OpenedUpstream | undefined
      pollCounts: () => Promise<PollCounts>
      ofThreads: () => Promise<readonly MetricsJson[]>
    },
  ) {
    this.#ofAllThreads = ofThreads
    collectDefaultMetrics({ register: this.#registry })
    this.#describeDepot(depot)
    this.#countCommits(depot)
    this.#measureViews(depot)
    this.#measurePolls(depot, pollCounts)
    this.#countWebhooks(webhooks)
    this.#measureDisks(depot)
    this.#measurePackages(depot)
    measureStorage(this.#registry, depot)
    measureUpstream(this.#registry, depot, upstream)
  }

  /** Returns all metrics in the text format of Prometheus. */
  async text(): Promise<MetricsText> {
    const summed = AggregatorRegistry.aggregate([...(await this.#ofAllThreads())])
    return {
      type: this.#registry.contentType,
      body: `${await this.#registry.metrics()}${await summed.metrics()}`,
    }
  }

  #describeDepot(depot: Depot): void {
    const registers = [this.#registry]
    new Gauge({
      name: 'hart_depot_build_info',
      help: 'Always 1; the label has the version of the depot',
      labelNames: ['version'],
      registers,
    }).set({ version: readVersion() }, 1)
    const problems = new Gauge({
      name: 'hart_depot_problem',
      help: '1 while /readyz names this problem, else 0',
      labelNames: ['problem'],
      registers,
      async collect() {
        const found = (await checkReadiness(depot)).problems.map(({ code }) => code)
        for (const problem of PROBLEMS) problems.set({ problem }, found.includes(problem) ? 1 : 0)
      },
    })
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
    const retired = new Counter({
      name: 'hart_depot_retention_removed_releases_total',
      help: 'Releases that retention removed',
      registers,
    })
    const sequence = new Gauge({
      name: 'hart_depot_ledger_sequence',
      help: 'Sequence number of the last ledger entry',
      registers,
    })
    const countEntry = ({ event }: LedgerEntry) => {
      if (event.kind === 'promotion') promotions.inc({ act: event.act, cause: event.cause ?? 'asked' })
      if (event.kind === 'release-deleted' && event.cause === 'retention') retired.inc()
      if (event.kind !== 'release-published') return
      uploads.inc()
      uploadedBytes.inc(event.sizeBytes)
    }
    addGauge(this.#registry, 'hart_depot_commit_time_ahead_seconds', {
      help: 'Seconds by which the last commit time is ahead of the clock. More than a minute means that the clock was set back or is wrong',
      read: async () => (await commitTimeAheadMs(depot)) / 1_000,
    })
    depot.writer.onAnnouncement((_announcement, commit) => {
      if (commit === undefined) return
      commits.observe(commit.durationMs / 1_000)
      batches.observe(commit.commands)
    })
    depot.follower.subscribe('metrics', {
      onCommit(entries) {
        for (const entry of entries) countEntry(entry)
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

  #measurePolls(depot: Depot, pollCounts: () => Promise<PollCounts>): void {
    const registers = [this.#registry]
    let reading: Promise<PollCounts> | undefined
    // All gauges are read at the same time, and share one request for the counts.
    const counts = async () =>
      (reading ??= pollCounts().finally(() => {
        reading = undefined
      }))
    const absent = new Gauge({
      name: 'hart_depot_polled_absent_names',
      help: 'Views and packages that were not found, and that somebody polled for in the last day',
      labelNames: ['what'],
      registers,
      async collect() {
        const { absentViews, absentPackages } = await counts()
        absent.set({ what: 'view' }, absentViews.length)
        absent.set({ what: 'package' }, absentPackages.length)
      },
    })
    addGauge(this.#registry, 'hart_depot_polling_refused_addresses', {
      help: 'Addresses whose polls were refused with 401 in the last day',
      read: async () => (await counts()).refusedAddresses.length,
    })
    if (!depot.config.countsPollers) return
    const pollers = new Gauge({
      name: 'hart_depot_pollers',
      help: 'Estimate of the different pollers of a view in the last five to ten minutes. Views made by clients are left out, and views without a poll, because their number is unknown',
      labelNames: ['view'],
      registers,
      async collect() {
        const estimates = estimateViews(await counts())
        pollers.reset()
        for (const view of await listViews(depot.db)) {
          const estimated = estimates.get(view.name)
          if (view.maker !== 'client' && estimated !== undefined) pollers.set({ view: view.name }, estimated)
        }
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
  }

  #measurePackages(depot: Depot): void {
    const registers = [this.#registry]
    addGauge(this.#registry, 'hart_depot_stored_bytes', {
      help: 'Bytes of stored packages, including deleted ones that are not yet collected',
      read: async () => (await readStored(depot.db)).bytes,
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
    addGauge(this.#registry, 'hart_depot_scrub_last_pass_timestamp_seconds', {
      help: 'Time in Unix seconds at which the last scrub of all packages ended; 0 if none has ended',
      read: async () => ((await readScrub(depot.db)).endedAt ?? 0) / 1_000,
    })
    addGauge(this.#registry, 'hart_depot_retention_quarantined_bytes', {
      help: 'Bytes of releases that retention removed and that are kept for a while',
      read: async () => (await readQuarantine(depot.db)).bytes,
    })
    addGauge(this.#registry, 'hart_depot_retention_last_run_timestamp_seconds', {
      help: 'Time in Unix seconds at which the last daily run of retention ended; 0 if none has ended since the start',
      read: async () => (depot.upkeep?.retention.endedAt ?? 0) / 1_000,
    })
    addGauge(this.#registry, 'hart_depot_last_backup_timestamp_seconds', {
      help: 'Time in Unix seconds of the last backup by hart-depot backup; 0 if there is none',
      read: async () => ((await findLastBackup(depot.config)) ?? 0) / 1_000,
    })
    addGauge(this.#registry, 'hart_depot_damaged_blobs', {
      help: 'Packages with damaged bytes. The depot serves each again once the same bytes are uploaded',
      read: async () => await countDamaged(depot.db),
    })
  }

  /** The label `webhook` may hold names: only administrators make webhooks, and their number is limited. */
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
