import { parsePosition } from '../ledger/position.ts'
import type { EdgeState } from './edge-folder.ts'

/** Formats how current the files are, for the textfile collector of Prometheus' node_exporter. */
export function edgeMetrics({
  state,
  isServed,
}: {
  readonly state: EdgeState | undefined
  readonly isServed: boolean
}): string {
  return [
    gauge('served', 'Whether nginx may serve the files: 1 or 0.', isServed ? 1 : 0),
    ...(state === undefined
      ? []
      : [
          gauge(
            'confirmed_timestamp_seconds',
            'When the depot last confirmed that the files are current.',
            state.confirmedAt / 1_000,
          ),
          gauge(
            'sequence',
            'The last ledger entry that the files follow.',
            parsePosition(state.position).number,
          ),
        ]),
  ].join('')
}

function gauge(name: string, help: string, value: number): string {
  const metric = `hart_depot_edge_${name}`
  return `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n${metric} ${value}\n`
}
