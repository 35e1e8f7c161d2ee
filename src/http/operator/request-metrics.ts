import type { FastifyReply, FastifyRequest } from 'fastify'
import { Counter, Histogram, Registry } from 'prom-client'
import type { Feed } from '../../following/feed.ts'
import type { FastAnswer } from '../habitat/polls/fast-path.ts'
import type { PendingAnswers } from '../requests/pending-answers.ts'
import type { ReceivedBodies } from '../requests/received-bodies.ts'
import { isPoll } from '../requests/request.ts'
import { addGauge } from './gauge.ts'

const REQUEST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

const POLL = { door: 'poll' } as const
const POLLS = {
  200: { ...POLL, method: 'GET', status: '2xx' },
  304: { ...POLL, method: 'GET', status: '3xx' },
  404: { ...POLL, method: 'GET', status: '4xx' },
} as const
/** The usual reasons why polls are refused. They are counted from 0, so that the first one is an increase. */
const POLL_REFUSALS = ['unauthenticated', 'too_many_attempts', 'view_absent', 'overloaded', 'internal']

/** Metrics in the form that one thread sends to another. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** The metrics of the requests that one thread answers. Recording a request takes less than a microsecond. */
export class RequestMetrics {
  readonly #registry = new Registry()
  readonly #requests: Histogram<'door' | 'method' | 'status'>
  readonly #sentBytes: Counter<'door'>
  readonly #wrongTokens: Counter<'answer'>
  readonly #refusedPolls: Counter<'reason'>
  readonly #denied: Counter<'code'>
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
      help: 'Time from the headers of a request to the end of its answer. Polls of supervisors for the latest release have the door "poll", requests that waited for an event "held"',
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
    this.#refusedPolls = new Counter({
      name: 'hart_depot_polls_refused_total',
      help: 'Polls of supervisors that got an error, by its code. A package that does not exist is no error',
      labelNames: ['reason'],
      registers,
    })
    for (const reason of POLL_REFUSALS) this.#refusedPolls.inc({ reason }, 0)
    this.#denied = new Counter({
      name: 'hart_depot_denied_requests_total',
      help: 'Changes and administration that were refused for want of rights, by the code of the error; see hart-depot denials',
      labelNames: ['code'],
      registers,
    })
    this.#exhausted = new Counter({
      name: 'hart_depot_file_descriptors_exhausted_total',
      help: 'Connections refused to save file descriptors, and requests that failed for lack of one; see also process_open_fds and process_max_fds',
      labelNames: ['what'],
      registers,
    })
    for (const what of ['connection', 'request']) this.#exhausted.inc({ what }, 0)
    addGauge(this.#registry, 'hart_depot_followers', {
      help: 'Requests that wait for an event, and open event streams',
      read: () => feed.load.watches,
    })
    addGauge(this.#registry, 'hart_depot_pending_answer_bytes', {
      help: 'Bytes of answers that wait in memory for their clients',
      read: () => pending.bytes,
    })
    addGauge(this.#registry, 'hart_depot_received_body_bytes', {
      help: 'Bytes of request bodies, other than packages, that are held in memory until the request is answered',
      read: () => bodies.bytes,
    })
  }

  /** Records an answered request. */
  recordRequest(request: FastifyRequest, reply: FastifyReply): void {
    if (request.lacksDescriptors) this.#exhausted.inc({ what: 'request' })
    const door = request.isHeld ? 'held' : isPoll(request) ? 'poll' : doorOf(request)
    const { refusalCode: reason } = request
    if (door === 'poll' && reason !== undefined) this.#refusedPolls.inc({ reason })
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
    if (bodyBytes > 0) this.#sentBytes.inc(POLL, bodyBytes)
  }

  recordWrongToken(answer: 'refused' | 'limited'): void {
    this.#wrongTokens.inc({ answer })
  }

  /** Records a change that was refused for want of rights. */
  recordDenial(code: string): void {
    this.#denied.inc({ code })
  }

  toJson(): Promise<MetricsJson> {
    return this.#registry.getMetricsAsJSON()
  }
}

function doorOf({ url, routeOptions }: FastifyRequest): 'habitat' | 'api' | 'page' | 'operator' {
  if (url.startsWith('/v1/')) return 'habitat'
  if (url.startsWith('/api/')) return 'api'
  return routeOptions.config.isPage === true ? 'page' : 'operator'
}
