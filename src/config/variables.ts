import { DepotError } from '../errors.ts'
import { didYouMean } from '../text/nearest.ts'

/**
 * The variables that Kubernetes sets in each container for a Service called `depot` or `depot-…`
 * (kubernetes.io/docs/concepts/services-networking/service, environment variables): name and value have one
 * of these forms.
 */
const KUBERNETES_VARIABLES: readonly (readonly [name: RegExp, value: RegExp])[] = [
  [/^DEPOT(_[A-Z0-9_]+)?_SERVICE_HOST$/, /^[0-9a-fA-F.:]+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_SERVICE_PORT(_[A-Z0-9_]+)?$/, /^\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT(_\d+_(TCP|UDP|SCTP))?$/, /^(tcp|udp|sctp):\/\/\S+:\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_PROTO$/, /^(tcp|udp|sctp)$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_PORT$/, /^\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_ADDR$/, /^[0-9a-fA-F.:]+$/],
]

/**
 * Returns the settings in an environment: the variables that start with `DEPOT_`, except for empty ones and
 * for those that Kubernetes sets. Throws `invalid_request` for a setting that is not `known`.
 */
export function settingsIn(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): Record<string, unknown> {
  const given = Object.entries(environment).filter(
    ([name, value]) => name.startsWith('DEPOT_') && value !== undefined && value !== '',
  )
  const settings = given.filter(
    ([name, value = '']) =>
      known.includes(name) ||
      !KUBERNETES_VARIABLES.some(([names, values]) => names.test(name) && values.test(value)),
  )
  const unknown = settings.map(([name]) => name).filter((name) => !known.includes(name))
  if (unknown.length === 0) return Object.fromEntries(settings)
  const sentences = unknown.map((name) => `there is no setting ${name}${didYouMean(name, known)}`)
  const list = sentences.some((sentence) => sentence.endsWith('?'))
    ? ''
    : `; settings are ${known.join(', ')}`
  throw new DepotError('invalid_request', `${sentences.join(' ')}${list}`)
}
