import { packageOf, parseIdent } from '../../package/ident.ts'
import { compareReleases } from '../../package/version.ts'
import type { Reading } from './gateway.ts'
import type { Service } from './services.ts'

/** What a service runs, compared with the view that it follows. */
export type Status =
  | 'current'
  | 'behind' // runs a lower release than the latest of the view
  | 'ahead' //  runs a higher one, for example after a rollback that it does not follow
  | 'absent' // the view has no release of the package
  | null //     not compared: it follows something else, or no view was asked for

export interface FleetService extends Service {
  readonly host: string
  readonly status: Status
  /**
   * Whether the service would follow a rollback of `latest`. It does so only with an update strategy and the
   * update condition `track-channel`. `null` if its Supervisor does not tell.
   */
  readonly follows_rollback: boolean | null
}

/** The document of `hart-depot fleet --json`. */
export interface Fleet {
  readonly view: string | null
  readonly package: string | null
  readonly gateways: readonly { readonly host: string; readonly error: string | null }[]
  readonly services: readonly FleetService[]
  readonly summary: {
    readonly gateways: number
    /** The number of gateways that could not be read. */
    readonly unread: number
    /** The number of services that follow the view. */
    readonly following: number
    /** The following services that run the latest release of the view and are up. */
    readonly converged: number
    /** The following services that are known not to follow a rollback. */
    readonly not_rolling_back: number
    /** Whether every gateway was read, and there are following services, and all of them have converged. */
    readonly is_converged: boolean
  }
}

/** What the services are compared with, and which of them count. */
export interface Comparison {
  /** The view to compare with. */
  readonly view?: string | undefined
  /** Only services of this package, `origin/name`. */
  readonly package?: string | undefined
  /** Idents of the latest releases of the view, by `origin/name`. */
  readonly latest: ReadonlyMap<string, string>
}

/**
 * Compares the services of a fleet with a view. With a view and without a package, services that do not
 * follow the view are left out.
 */
export function compareFleet(readings: readonly Reading[], comparison: Comparison): Fleet {
  const { view, package: only } = comparison
  const services = readings
    .flatMap((reading) =>
      'services' in reading
        ? reading.services.map((service) => compareService(service, reading.gateway.host, comparison))
        : [],
    )
    .filter((service) => only === undefined || packageOf(service.ident) === only)
    .filter((service) => only !== undefined || view === undefined || service.view === view)
  const unread = readings.filter((reading) => 'fault' in reading).length
  const following = view === undefined ? [] : services.filter((service) => service.view === view)
  const converged = following.filter(({ status, is_up }) => status === 'current' && is_up)
  return {
    view: view ?? null,
    package: only ?? null,
    gateways: readings.map((reading) => ({
      host: reading.gateway.host,
      error: 'fault' in reading ? reading.fault : null,
    })),
    services,
    summary: {
      gateways: readings.length,
      unread,
      following: following.length,
      converged: converged.length,
      not_rolling_back: following.filter(({ follows_rollback }) => follows_rollback === false).length,
      is_converged: unread === 0 && following.length > 0 && converged.length === following.length,
    },
  }
}

function compareService(service: Service, host: string, { view, latest }: Comparison): FleetService {
  const doesFollow = view !== undefined && service.view === view
  return {
    host,
    ...service,
    status: doesFollow ? statusOf(service.ident, latest.get(packageOf(service.ident))) : null,
    follows_rollback: followsRollback(service),
  }
}

function statusOf(ident: string, latest: string | undefined): Status {
  if (latest === undefined) return 'absent'
  if (ident === latest) return 'current'
  return compareReleases(parseIdent(ident), parseIdent(latest)) < 0 ? 'behind' : 'ahead'
}

function followsRollback({ strategy, condition }: Service): boolean | null {
  if (strategy === null || (condition === null && strategy !== 'none')) return null
  return strategy !== 'none' && condition === 'track-channel'
}
