import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { callApi } from '../support/call-api.ts'
import { buildHart } from '../support/build-hart.ts'
import { makeOrigin } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'
import { operations } from '../../src/tracing/traced.ts'

/** A span in OTLP's JSON (opentelemetry.io/docs/specs/otlp, JSON Protobuf encoding). */
interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly status: { readonly code?: number }
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[]
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: Pick<Span, 'attributes'>
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

/** A collector of traces. */
interface Collector {
  readonly requests: { path: string; type: string | undefined; body: Buffer }[]
  spans(): Span[]
  environment: Record<string, string>
}

async function startCollector(t: Pick<Test, 'teardown'>, protocol = 'http/json'): Promise<Collector> {
  const requests: Collector['requests'] = []
  const server = createServer((request, answer) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests.push({
        path: request.url ?? '',
        type: request.headers['content-type'],
        body: Buffer.concat(chunks),
      })
      answer.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_SERVICE_NAME: 'depot-of-tests',
  }
  // The exporter reads the process's environment itself.
  Object.assign(process.env, environment)
  t.teardown(() => {
    for (const name of Object.keys(environment)) delete process.env[name]
    server.closeAllConnections()
    server.close()
  })
  const exports = () => requests.map(({ body }) => JSON.parse(body.toString()) as Export)
  return {
    requests,
    environment,
    spans: () =>
      exports().flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
  }
}

const attribute = ({ attributes }: Pick<Span, 'attributes'>, name: string) =>
  Object.values(attributes.find(({ key }) => key === name)?.value ?? {})[0]

const HART = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

test('an upload is a trace with its phases, in the trace of its caller', async (t) => {
  const collector = await startCollector(t)
  const started = await startDepot(t, { environment: collector.environment })
  await makeOrigin(started)
  const answer = await callApi(started, 'POST', '/api/v1/releases', {
    body: HART.bytes,
    headers: { traceparent: `00-${TRACE}-${CALLER}-01`, 'content-type': 'application/octet-stream' },
  })
  t.equal(answer.status, 201)
  await callApi(started, 'GET', '/healthz')
  await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/latest')
  await started.close()

  const spans = collector.spans()
  t.strictSame(
    [...new Set(collector.requests.map(({ path, type }) => `${path} ${type}`))],
    ['/v1/traces application/json'],
  )
  const request = spans.find(({ name }) => name === 'POST /api/v1/releases')
  if (request === undefined) return t.fail('the request has a span', { spans: spans.map(({ name }) => name) })
  t.match(request, { traceId: TRACE, parentSpanId: CALLER })
  t.match(
    ['http.request.method', 'http.route', 'http.response.status_code', 'url.path'].map((name) =>
      attribute(request, name),
    ),
    ['POST', '/api/v1/releases', 201, '/api/v1/releases'],
  )
  const children = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId)
  t.strictSame(
    children.map(({ name }) => name).filter((name) => name !== 'read'),
    ['receive', 'scan', 'keep', 'command'],
  )
  t.ok(children.every(({ traceId }) => traceId === TRACE))
  t.equal(attribute(children.at(-1) ?? request, 'hart_depot.command'), 'publishRelease')
  t.notOk(
    spans.some(({ name }) => /latest|healthz/.test(name)),
    'polls and probes have no spans',
  )
  t.notOk(operations.hasSubscribers, 'a closed depot traces nothing more')
  return undefined
})

test('a refusal marks the operation that failed, and no request that the client got wrong', async (t) => {
  const collector = await startCollector(t)
  const started = await startDepot(t, { environment: collector.environment })
  await callApi(started, 'POST', '/api/v1/views', { body: { name: 'delivered' } })
  await started.close()
  const spans = collector.spans()
  t.match(spans.find(({ name }) => name === 'command')?.status, { code: 2 })
  const request = spans.find(({ name }) => name === 'POST /api/v1/views')
  t.equal(request && attribute(request, 'http.response.status_code'), 409)
  t.notOk(request?.status.code)
})

test('a collector that does not answer is logged once, and delays nothing', async (t) => {
  const collector = await startCollector(t)
  const environment = {
    ...collector.environment,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_TIMEOUT: '50',
    OTEL_BSP_SCHEDULE_DELAY: '1',
  }
  Object.assign(process.env, environment)
  t.teardown(() => delete process.env['OTEL_EXPORTER_OTLP_TIMEOUT'])
  const started = await startDepot(t, { environment })
  const failures = () => started.logged.filter(({ msg }) => msg === 'traces cannot be sent')
  t.equal((await callApi(started, 'GET', '/api/v1/views')).status, 200)
  await until('the failure is logged', () => failures().length > 0)
  t.equal((await callApi(started, 'GET', '/api/v1/views')).status, 200)
  await started.close()
  t.equal(failures().length, 1)
})

test('traces are sent as protobuf by default', async (t) => {
  const collector = await startCollector(t, '')
  const started = await startDepot(t, { environment: collector.environment })
  await callApi(started, 'GET', '/api/v1/views')
  await started.close()
  t.match(collector.requests, [{ path: '/v1/traces', type: 'application/x-protobuf' }])
  t.ok(collector.requests[0]?.body.includes('GET /api/v1/views'))
})

test('without these variables, nothing subscribes and nothing is loaded', async (t) => {
  const { app } = await startDepot(t)
  t.notOk(operations.hasSubscribers)
  t.notOk(app.hasRequestDecorator('span'))
})
