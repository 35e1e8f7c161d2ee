import { parentPort, workerData } from 'node:worker_threads'
import { claimsThrough } from '../blobs/claims.ts'
import { joinDepot } from '../depot/join.ts'
import { openLog } from '../log.ts'
import { ThreadCalls } from '../threads/thread-calls.ts'
import type { WebhookOperations } from '../delivery/webhooks.ts'
import type { MirrorOperations } from '../upstream/mirror.ts'
import type { RefreshOperations } from '../upstream/refresher.ts'
import type { UpstreamOperations } from '../upstream/upstream.ts'
import { buildWorkerServer } from './server.ts'
import { stopServer } from './stop.ts'
import type { WorkerCalls, ParentCalls, WorkerStart } from './workers.ts'

// The entry file of a worker thread that answers requests; see workers.ts.

const { host, port, name, share, pollerSeed } = workerData as WorkerStart
if (parentPort === null) throw new Error('this file must run as a worker thread')
const parent = parentPort

const calls: ThreadCalls<ParentCalls> = new ThreadCalls<ParentCalls>(parent, {
  metricsJson: () => metricsJson(),
  threadPollCounts: async () => pollCounts(),
  stop: () => stop(),
} satisfies WorkerCalls)
const webhooks: WebhookOperations = {
  progressOf: (webhook) => calls.call('progressOf', webhook),
  flush: () => calls.call('flush'),
  ping: (webhook) => calls.call('ping', webhook),
  expectReachable: (url) => calls.call('expectReachable', url),
}
const upstream: UpstreamOperations = {
  fetchMissing: (release, asker) => calls.call('fetchMissing', release, asker),
  showMissing: (release, asker) => calls.call('showMissing', release, asker),
  fetchKeys: (origin, revision, asker) => calls.call('fetchKeys', origin, revision, asker),
}
const refresher: RefreshOperations = {
  refresh: (channels, options) => calls.call('refresh', channels, options),
  refreshing: () => calls.call('refreshing'),
}
const mirror: MirrorOperations = {
  startMirror: () => calls.call('startMirror'),
  mirrorStatus: () => calls.call('mirrorStatus'),
  planMirror: () => calls.call('planMirror'),
}
const depot = await joinDepot(share, {
  log: openLog(share.config.logLevel),
  claims: claimsThrough(calls),
  examine: (checksum) => calls.call('examine', checksum),
  name,
})
const services = {
  webhooks,
  upstream: share.config.upstream && upstream,
  refresher: share.config.upstream && refresher,
  mirror: share.config.upstream?.mirror && mirror,
  metricsText: () => calls.call('metricsText'),
  pollCounts: () => calls.call('pollCounts'),
}
const { app, metricsJson, pollCounts } = await buildWorkerServer(depot, services, pollerSeed)
await app.listen({ host, port, reusePort: true } as { host: string; port: number })
await calls.call('listening')

async function stop(): Promise<void> {
  await stopServer(app)
  await depot.close()
  setImmediate(() => parent.close()) // after the reply to this call is sent
}
