import { test } from 'tap'
import { readTraceSettings } from '../../src/tracing/trace-settings.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
const DEFAULT = { protocol: 'http/protobuf', sampler: { share: 1, followsParent: true }, queue: {} } as const

/** Reads settings with an endpoint. */
const settingsOf = (environment: Record<string, string>) => readTraceSettings({ ...ENDPOINT, ...environment })

test('traces are on with an endpoint, or when the exporter is named', (t) => {
  for (const environment of [
    ENDPOINT,
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' },
    { OTEL_TRACES_EXPORTER: 'otlp' },
    { ...ENDPOINT, OTEL_SDK_DISABLED: 'no' },
  ])
    t.strictSame(readTraceSettings(environment), { settings: DEFAULT, warnings: [] })
  t.end()
})

test('traces are off by default, and when they are turned off', (t) => {
  for (const environment of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_SERVICE_NAME: 'depot' },
    { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' },
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
  ])
    t.strictSame(readTraceSettings(environment), { settings: undefined, warnings: [] })
  t.end()
})

test('an exporter or a protocol that the depot lacks turns traces off, with a warning', (t) => {
  for (const environment of [
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'zipkin' },
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  ]) {
    const { settings, warnings } = readTraceSettings(environment)
    t.equal(settings, undefined)
    t.equal(warnings.length, 1)
  }
  t.match(
    readTraceSettings({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    }),
    { settings: { protocol: 'http/json' }, warnings: [] },
  )
  t.end()
})

test('the sampler and the queue are read; values that make no sense are replaced, with a warning', (t) => {
  t.match(settingsOf({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' }), {
    settings: { sampler: { share: 0.1, followsParent: true } },
    warnings: [],
  })
  t.match(settingsOf({ OTEL_TRACES_SAMPLER: 'always_off' }), {
    settings: { sampler: { share: 0, followsParent: false } },
  })
  for (const wrong of [{ OTEL_TRACES_SAMPLER: 'sometimes' }, { OTEL_TRACES_SAMPLER_ARG: '7' }]) {
    const { settings, warnings } = settingsOf(wrong)
    t.strictSame(settings, DEFAULT)
    t.equal(warnings.length, 1)
  }
  t.strictSame(settingsOf({ OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_BSP_MAX_QUEUE_SIZE: '-1' }).settings, {
    ...DEFAULT,
    queue: { scheduledDelayMillis: 100 },
  })
  t.end()
})
