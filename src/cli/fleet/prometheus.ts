import type { Fleet, FleetService } from './report.ts'

type Labels = Readonly<Record<string, string | null>>
type Sample = readonly [labels: Labels, value: number]

/** Formats a fleet in the text format of Prometheus, for example for the textfile collector. */
export function fleetMetrics({ services, summary, view }: Fleet): string {
  const each = (value: (service: FleetService) => number | null): Sample[] =>
    services.flatMap((service) => {
      const found = value(service)
      return found === null ? [] : [[{ host: service.host, group: service.group }, found]]
    })
  return [
    family('gateways', 'Gateways in the list, by whether they were read.', [
      [{ state: 'read' }, summary.gateways - summary.unread],
      [{ state: 'unread' }, summary.unread],
    ]),
    family(
      'service_info',
      'A service, labelled with what it runs and follows.',
      services.map(({ host, group, ident, health, strategy, condition, depot_url, channel }) => [
        { host, group, ident, health, strategy, condition, depot_url, channel },
        1,
      ]),
    ),
    family(
      'service_up',
      'Whether the process of a service is up.',
      each(({ is_up }) => Number(is_up)),
    ),
    family(
      'service_restarts',
      'Restarts that the Supervisor has counted.',
      each(({ restarts }) => restarts),
    ),
    family(
      'service_follows_rollback',
      'Whether a service would follow a rollback.',
      each(({ follows_rollback }) => (follows_rollback === null ? null : Number(follows_rollback))),
    ),
    ...(view === null
      ? []
      : [
          family(
            'service_current',
            'Whether a service that follows the view runs its latest release.',
            each(({ status }) => (status === null ? null : Number(status === 'current'))),
          ),
          family(
            'converged',
            'Whether every gateway was read and every service that follows the view is current and up.',
            [[{ view }, Number(summary.is_converged)]],
          ),
        ]),
  ].join('')
}

function family(name: string, help: string, samples: readonly Sample[]): string {
  const full = `hart_depot_fleet_${name}`
  const lines = samples.map(([labels, value]) => `${full}{${formatLabels(labels)}} ${value}\n`)
  return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${lines.join('')}`
}

function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value ?? '')}"`)
    .join(',')
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
