import { AsyncLocalStorage } from 'node:async_hooks'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, defaultTextMapGetter, trace } from '@opentelemetry/api'
import type { Context, Span } from '@opentelemetry/api'
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import type { ExportResult } from '@opentelemetry/core'
import {
  defaultResource,
  detectResources,
  resourceFromAttributes,
  resourceAttributesEnvDetector,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { Sampler, TraceSettings } from './trace-settings.ts'
import { operations } from './traced.ts'
import type { Attributes, Operation } from './traced.ts'

/** The span of a request. It ends with `end`. */
export interface RequestSpan {
  /** Runs `act`. Operations that it starts, also later, become children of this span. */
  run(act: () => void): void
  /** Adds attributes and ends the span. `failure` is an HTTP status that marks the span as an error. */
  end(attributes: Attributes, failure: number | undefined): void
}

/** Makes and sends the traces of one thread. */
export interface Tracing {
  /** Starts the span of a request, in the trace that `headers.traceparent` names or else in a new one. */
  startRequest(name: string, headers: object, attributes: Attributes): RequestSpan
  /** Stops, and sends the finished spans. Spans that are not sent within two seconds are lost. */
  close(): Promise<void>
}

const MAX_CLOSE_MS = 2_000

/**
 * Starts tracing in this thread: subscribes to the operations of `traced`. The exporter and the resource read
 * further settings from the variables `OTEL_*` of the process. The caller closes the result.
 */
export async function openTracing(
  settings: TraceSettings,
  { version, log }: { version: string; log: Logger },
): Promise<Tracing> {
  const exporter = new LoggingExporter(await openExporter(settings), log)
  const named = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'hart-depot', 'service.version': version }))
      .merge(named),
    sampler: samplerOf(settings.sampler),
    spanProcessors: [new BatchSpanProcessor({ exporter, ...settings.queue })],
  })
  const tracer = provider.getTracer('hart-depot', version)
  const current = new AsyncLocalStorage<Context>()
  const spans = new WeakMap<Operation, Span>()
  operations.start.bindStore(current, (operation) => {
    const parent = current.getStore() ?? ROOT_CONTEXT
    const span = tracer.startSpan(operation.name, { attributes: operation.attributes }, parent)
    spans.set(operation, span)
    return trace.setSpan(parent, span)
  })
  const listeners = {
    error(operation: Operation & { error?: unknown }) {
      const { error } = operation
      spans.get(operation)?.setStatus({
        code: SpanStatusCode.ERROR,
        ...(error instanceof Error && { message: error.message }),
      })
    },
    asyncEnd: (operation: Operation) => spans.get(operation)?.end(),
  }
  operations.subscribe(listeners)
  const propagator = new W3CTraceContextPropagator()
  return {
    startRequest(name, headers, attributes) {
      const parent = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
      const context = trace.setSpan(parent, span)
      return {
        run: (act) => current.run(context, act),
        end(ended, failure) {
          span.setAttributes(ended)
          if (failure !== undefined)
            span.setAttribute('error.type', String(failure)).setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    async close() {
      operations.unsubscribe(listeners)
      operations.start.unbindStore(current)
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, MAX_CLOSE_MS)
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      clearTimeout(timer)
    },
  }
}

async function openExporter({ protocol }: TraceSettings): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto')
  return new OTLPTraceExporter()
}

function samplerOf({ share, followsParent }: Sampler): TraceIdRatioBasedSampler | ParentBasedSampler {
  const root = new TraceIdRatioBasedSampler(share)
  return followsParent ? new ParentBasedSampler({ root }) : root
}

/**
 * Passes spans on, and logs the first of several failures and the first success after them. Spans that cannot
 * be sent are lost.
 */
class LoggingExporter implements SpanExporter {
  readonly #exporter: SpanExporter
  readonly #log: Logger
  #isFailing = false

  constructor(exporter: SpanExporter, log: Logger) {
    this.#exporter = exporter
    this.#log = log
  }

  export(spans: ReadableSpan[], onResult: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      const isFailing = result.code !== ExportResultCode.SUCCESS
      if (isFailing && !this.#isFailing) this.#log.warn({ err: result.error }, 'traces cannot be sent')
      if (!isFailing && this.#isFailing) this.#log.info('traces are sent again')
      this.#isFailing = isFailing
      onResult(result)
    })
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }
}
