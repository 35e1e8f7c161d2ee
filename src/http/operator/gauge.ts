import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** Adds a gauge whose value is read whenever the metrics are read. */
export function addGauge(
  registry: Registry,
  name: string,
  { help, read }: { help: string; read: () => number | Promise<number> },
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    async collect() {
      gauge.set(await read())
    },
  })
}
