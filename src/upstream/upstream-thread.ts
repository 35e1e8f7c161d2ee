import { parentPort, workerData } from 'node:worker_threads'
import { claimsThrough } from '../blobs/claims.ts'
import { joinDepot } from '../depot/join.ts'
import type { Share } from '../depot/depot.ts'
import { openLog } from '../log.ts'
import { ThreadCalls } from '../threads/thread-calls.ts'
import { lowerPriority } from '../threads/thread-priority.ts'
import { openUpstreamHere } from './open-here.ts'
import type { OpenedUpstream } from './opened-upstream.ts'
import type { DepotCalls, UpstreamCalls } from './threaded-upstream.ts'

// The other side of threaded-upstream.ts: runs in its thread.

const { share, name } = workerData as { share: Share; name: string }
if (parentPort === null) throw new Error('this file must run as a worker thread')
const parent = parentPort
let opened: OpenedUpstream | undefined
let close = async () => {}

const calls: ThreadCalls<DepotCalls> = new ThreadCalls<DepotCalls>(parent, {
  async open() {
    const log = openLog(share.config.logLevel)
    const depot = await joinDepot(share, {
      log,
      claims: claimsThrough(calls),
      examine: (checksum) => calls.call('examine', checksum),
      name,
    })
    // One of all nodes refreshes and mirrors by schedule.
    const leadership = share.lease && (await import('../depot/node.ts')).openLeadership(depot.engine, log)
    close = async () => {
      await leadership?.close()
      await depot.close()
    }
    depot.readInThreads()
    opened = await openUpstreamHere({ ...depot, leadership })
  },
  start: () => upstream().start(),
  counts: () => upstream().counts(),
  fetchMissing: (release, asker) => upstream().upstream.fetchMissing(release, asker),
  showMissing: (release, asker) => upstream().upstream.showMissing(release, asker),
  fetchKeys: (origin, revision, asker) => upstream().upstream.fetchKeys(origin, revision, asker),
  refresh: (channels, options) => upstream().refresher.refresh(channels, options),
  refreshing: () => upstream().refresher.refreshing(),
  startMirror: () => mirror().startMirror(),
  mirrorStatus: () => mirror().mirrorStatus(),
  planMirror: () => mirror().planMirror(),
  async stop() {
    await opened?.close()
    await close()
    setImmediate(() => parent.close()) // after the reply to this call is sent
  },
} satisfies UpstreamCalls)

lowerPriority()

function upstream(): OpenedUpstream {
  if (opened === undefined) throw new Error('the upstream is not open')
  return opened
}

function mirror(): NonNullable<OpenedUpstream['mirror']> {
  const found = upstream().mirror
  if (found === undefined) throw new Error('nothing is mirrored')
  return found
}
