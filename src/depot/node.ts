import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { BlobLocks } from '../cluster/blob-locks.ts'
import { Leadership } from '../cluster/leadership.ts'
import { Lease, newLease } from '../cluster/lease.ts'
import type { NodeEvent } from '../cluster/node.ts'
import type { Config } from '../config/config.ts'
import type { Engine } from '../database/database.ts'
import { readVersion } from '../package-root.ts'
import type { NodeStart } from '../writer/writer-thread.ts'

/** This process among the nodes of its database. */
interface OwnNode {
  readonly start: NodeStart
  readonly lease: Lease
  readonly onEvent: (event: NodeEvent) => void
}

export function makeNode(
  { host, port, waitsForAllNodes }: Config,
  { log, now }: { log: Logger; now: () => number },
): OwnNode {
  const start: NodeStart = {
    id: randomUUID(),
    name: `${hostname()} ${host}:${port}`,
    version: readVersion(),
    startedAt: now(),
    lease: newLease(),
    waitsForAll: waitsForAllNodes,
  }
  return { start, lease: new Lease(start.lease), onEvent: (event) => logEvent(log, event) }
}

/** Opens what decides which node does a job. The caller closes it. */
export function openLeadership(engine: Engine, log: Logger): Leadership {
  return new Leadership(
    (options) => engine.listen?.(options) ?? Promise.reject(new Error('the engine does not listen')),
    (error) =>
      log.warn({ err: error }, 'this node may no longer do what one node does for all; it tries again'),
  )
}

/** Opens the locks with which nodes keep blobs from each other. They connect at the first use. */
export function openBlobLocks(engine: Engine): BlobLocks {
  return new BlobLocks(
    (options) => engine.listen?.(options) ?? Promise.reject(new Error('the engine does not listen')),
  )
}

function logEvent(log: Logger, event: NodeEvent): void {
  switch (event.kind) {
    case 'serving':
      return log.info({ after_ms: event.endedForMs }, 'this node has caught up and answers from memory')
    case 'lease lost':
      return log.error(
        { reason: event.reason },
        'this node could not renew its lease, so its memory may be old; it tries again',
      )
    case 'disconnected':
      return log.warn({ reason: event.reason }, 'the connection for notifications was lost; connecting again')
    case 'other node lost':
      return log.warn(
        { node: event.id, name: event.name },
        'another node did not renew its lease; changes no longer wait for it',
      )
    case 'history lost':
      log.fatal(event.reason)
      // What this process has in memory is wrong. The service manager starts another one, which reads anew.
      throw new Error(event.reason)
    default:
      return event satisfies never
  }
}
