/** How traces are made and sent. The exporter itself reads endpoint, headers, certificates and timeouts. */
export interface TraceSettings {
  readonly protocol: 'http/protobuf' | 'http/json'
  readonly sampler: Sampler
  /** Limits of the queue of finished spans. The library has a default for each absent limit. */
  readonly queue: {
    readonly scheduledDelayMillis?: number
    readonly maxQueueSize?: number
    readonly maxExportBatchSize?: number
    readonly exportTimeoutMillis?: number
  }
}

/**
 * Which traces are kept: a share from 0 to 1. With `followsParent`, the share applies only to traces that the
 * depot begins; for other traces, the client decides.
 */
export interface Sampler {
  readonly share: number
  readonly followsParent: boolean
}

/** `settings` is `undefined` if traces are off. `warnings` are sentences for the log, without full stops. */
export interface ReadTraceSettings {
  readonly settings: TraceSettings | undefined
  readonly warnings: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

const SAMPLERS: Readonly<Record<string, (share: number) => Sampler>> = {
  always_on: () => ({ share: 1, followsParent: false }),
  always_off: () => ({ share: 0, followsParent: false }),
  traceidratio: (share) => ({ share, followsParent: false }),
  parentbased_always_on: () => ({ share: 1, followsParent: true }),
  parentbased_always_off: () => ({ share: 0, followsParent: true }),
  parentbased_traceidratio: (share) => ({ share, followsParent: true }),
}
const DEFAULT_SAMPLER = 'parentbased_always_on'
const EVERY_TRACE: Sampler = { share: 1, followsParent: true }
const PROTOCOLS = ['http/protobuf', 'http/json'] as const

/**
 * Reads the environment variables of OpenTelemetry's specification ("Environment Variable Specification").
 * Traces are on if `OTEL_TRACES_EXPORTER` contains `otlp`, or if it is empty and an endpoint is set.
 * `OTEL_SDK_DISABLED=true` turns them off. Often all programs of a machine share these variables, so a value
 * that the depot does not support causes a warning instead of an error.
 */
export function readTraceSettings(environment: Environment): ReadTraceSettings {
  const warnings: string[] = []
  if (!areTracesOn(environment, warnings)) return { settings: undefined, warnings }
  const named =
    environment['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || environment['OTEL_EXPORTER_OTLP_PROTOCOL']
  const protocol = PROTOCOLS.find((known) => known === (named || PROTOCOLS[0]))
  if (protocol === undefined) {
    warnings.push(
      `traces are off: the depot sends them by ${PROTOCOLS.join(' or ')}, and OTEL_EXPORTER_OTLP_PROTOCOL is ${named}. Collectors usually listen for HTTP on port 4318`,
    )
    return { settings: undefined, warnings }
  }
  const sampler = readSampler(environment, warnings)
  const queue = {
    ...numbered('scheduledDelayMillis', environment['OTEL_BSP_SCHEDULE_DELAY']),
    ...numbered('exportTimeoutMillis', environment['OTEL_BSP_EXPORT_TIMEOUT']),
    ...numbered('maxQueueSize', environment['OTEL_BSP_MAX_QUEUE_SIZE']),
    ...numbered('maxExportBatchSize', environment['OTEL_BSP_MAX_EXPORT_BATCH_SIZE']),
  }
  return { settings: { protocol, sampler, queue }, warnings }
}

function areTracesOn(environment: Environment, warnings: string[]): boolean {
  if (environment['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') return false
  const exporters = (environment['OTEL_TRACES_EXPORTER'] ?? '').split(',').map((name) => name.trim())
  if (exporters.includes('otlp')) return true
  const others = exporters.filter((name) => name !== '' && name !== 'none')
  if (others.length > 0)
    warnings.push(
      `traces are off: the depot has no exporter ${others.join()}; OTEL_TRACES_EXPORTER=otlp turns them on`,
    )
  if (exporters.some((name) => name !== '')) return false
  return Boolean(
    environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || environment['OTEL_EXPORTER_OTLP_ENDPOINT'],
  )
}

function readSampler(environment: Environment, warnings: string[]): Sampler {
  const name = environment['OTEL_TRACES_SAMPLER'] || DEFAULT_SAMPLER
  const make = SAMPLERS[name]
  if (make === undefined)
    warnings.push(
      `there is no sampler ${name} (OTEL_TRACES_SAMPLER): every trace is kept; samplers are ${Object.keys(SAMPLERS).join(', ')}`,
    )
  const given = environment['OTEL_TRACES_SAMPLER_ARG'] || '1'
  const share = Number(given)
  const isShare = share >= 0 && share <= 1
  if (!isShare)
    warnings.push(`OTEL_TRACES_SAMPLER_ARG is ${given}, and not a number from 0 to 1: every trace is kept`)
  return make?.(isShare ? share : 1) ?? EVERY_TRACE
}

/** Returns an object with a whole number above 0 under `name`, or an empty object for any other text. */
function numbered<Name extends string>(name: Name, text: string | undefined): { [key in Name]?: number } {
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 ? ({ [name]: value } as { [key in Name]?: number }) : {}
}
