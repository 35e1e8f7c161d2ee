import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Option } from '@commander-js/extra-typings'
import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { GetLatestInput } from '../../../client/operations.ts'
import { counted } from '../../../text/counted.ts'
import { printable } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { readFleet } from '../../fleet/gateway.ts'
import { parseHosts } from '../../fleet/hosts.ts'
import type { Gateway } from '../../fleet/hosts.ts'
import { fleetMetrics } from '../../fleet/prometheus.ts'
import { compareFleet } from '../../fleet/report.ts'
import type { Fleet, FleetService } from '../../fleet/report.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { MAX_TIMER_MS } from '../../pipeline/run-command.ts'
import { periodMs } from '../arguments.ts'
import { connect, remoteOptions } from '../connect.ts'
import { Output } from '../../output.ts'
import { checkToken } from '../accounts/profiles.ts'

type Target = NonNullable<GetLatestInput['target']>

const MAX_PARALLEL = 500
const PAUSE_MS = 5_000
/** A sentence names at most this many services. */
const MAX_NAMED = 5

export const fleet: Define = (command, io) =>
  remoteOptions(command)
    .requiredOption('--hosts <file>', 'Supervisors, one a line: HOST, HOST:PORT or a URL; - is stdin')
    .option('--token-file <file>', 'the token of their gateways (HAB_SUP_GATEWAY_AUTH_TOKEN)')
    .option('--view <view>', 'compare what runs with what is latest in this view')
    .option('--package <package>', 'only services of this package, origin/name')
    .option('--target <target>', 'the target of the services', 'x86_64-linux')
    .option('--gateway-timeout <period>', 'how long one gateway may take', '5s')
    .option('--parallel <count>', 'how many gateways are read at the same time', '50')
    .option('--wait', 'with --view: read again until the fleet has converged')
    .option('--timeout <period>', 'with --wait: how long to wait', '10m')
    .option('--exit-code', 'with --view: exit with 8 unless the fleet has converged')
    .addOption(new Option('--prometheus', 'print the text format of Prometheus').conflicts('json'))
    .addHelpText(
      'after',
      examples([
        ['fleet --hosts hosts.txt', 'show what every Supervisor runs, how it is and what it follows'],
        [
          'fleet --hosts hosts.txt --view delivered --package acme/app --wait --timeout 15m',
          'wait until every service that follows a view runs its latest release',
        ],
        [
          'fleet --hosts hosts.txt --view delivered --prometheus > /var/lib/node_exporter/fleet.prom',
          'write metrics for the textfile collector',
        ],
      ]),
    )
    .action(async ({ hosts, tokenFile, view, package: only, target, ...options }) => {
      if (view === undefined && (options.wait === true || options.exitCode === true))
        throw new UsageError('--wait and --exit-code need --view')
      if (only !== undefined && !/^[^/]+\/[^/]+$/.test(only))
        throw new UsageError('the package is origin/name, for example acme/app')
      const gateways = await readHosts(io, hosts)
      const token =
        tokenFile === undefined
          ? undefined
          : checkToken(await readFile(pathOf(io, tokenFile), 'utf8'), tokenFile)
      const depot = view === undefined ? undefined : connect(io, options).depot
      const read = async (signal: AbortSignal): Promise<Fleet> => {
        const readings = await readFleet(gateways, {
          token,
          timeoutMs: Math.min(periodMs(options.gatewayTimeout, '--gateway-timeout'), MAX_TIMER_MS),
          parallel: parallelOf(options.parallel),
          signal,
        })
        const latest =
          depot === undefined || view === undefined
            ? new Map<string, string>()
            : await readLatest(depot, { view, only, target: target as Target })
        return compareFleet(readings, { view, package: only, latest })
      }
      const out = new Output(io, options)
      const { found, isLate } =
        options.wait === true
          ? await readUntilConverged(io, out, read, periodMs(options.timeout, '--timeout'))
          : { found: await read(io.signal), isLate: false }
      if (options.prometheus === true) io.stdout.write(fleetMetrics(found))
      else
        out.show(found, {
          whole: () => fleetText(out, found),
          brief: () => found.services.map(({ host, ident }) => `${host} ${ident}`),
        })
      if (isLate) throw new Exit(EXIT.timedOut, `the fleet has not converged after ${options.timeout}`)
      if (options.exitCode === true && !found.summary.is_converged) throw new Exit(EXIT.differs)
    })

/** Reads a list of hosts, or stdin for `-`. Throws a UsageError with the line of a mistake. */
export async function readHosts(io: Io, file: string): Promise<Gateway[]> {
  const source = file === '-' ? await text(io.stdin) : await readFile(pathOf(io, file), 'utf8')
  try {
    const gateways = parseHosts(source)
    if (gateways.length > 0) return gateways
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${file}, ${error.message}`)
    throw error
  }
  throw new UsageError(`${file} names no hosts`)
}

function parallelOf(count: string): number {
  const parallel = Number(count)
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > MAX_PARALLEL)
    throw new UsageError(`--parallel is a number from 1 to ${MAX_PARALLEL}`)
  return parallel
}

/** Returns the latest releases of a view by package. Throws RequestRefused if there is no such view. */
async function readLatest(
  depot: DepotClient,
  { view, only, target }: { view: string; only: string | undefined; target: Target },
): Promise<Map<string, string>> {
  if (only === undefined) {
    const latest = new Map<string, string>()
    for await (const pointer of depot.each('listContent', { view, limit: 1_000 }))
      if (pointer.target === target) latest.set(pointer.package, pointer.ident)
    return latest
  }
  const [origin = '', name = ''] = only.split('/')
  await depot.getView({ view })
  try {
    return new Map([[only, (await depot.getLatest({ view, origin, name, target })).ident]])
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 404) return new Map()
    throw error
  }
}

/** Reads the fleet until it has converged, or until the time is over. Reads it at least once. */
async function readUntilConverged(
  io: Io,
  out: Output,
  read: (signal: AbortSignal) => Promise<Fleet>,
  timeoutMs: number,
): Promise<{ found: Fleet; isLate: boolean }> {
  const timer = AbortSignal.timeout(Math.min(timeoutMs, MAX_TIMER_MS))
  const signal = AbortSignal.any([io.signal, timer])
  let found: Fleet | undefined
  let said = ''
  while (!timer.aborted || found === undefined) {
    try {
      found = await read(found === undefined ? io.signal : signal)
      if (found.summary.is_converged) return { found, isLate: false }
      const says = progressOf(found)
      if (says !== said) out.note(says)
      said = says
      await io.pause(PAUSE_MS, signal)
    } catch (error) {
      // After the first read, the timer ends the read in progress.
      if (found === undefined || !timer.aborted || io.signal.aborted) throw error
    }
  }
  return { found, isLate: true }
}

function progressOf({ view, summary }: Fleet): string {
  const { following, converged, unread } = summary
  const unknown = unread === 0 ? '' : `, and ${counted(unread, 'gateway')} cannot be read`
  return `${converged} of ${following} services that follow ${view} run its latest release and are up${unknown}.`
}

function fleetText(out: Output, found: Fleet): string {
  const { services, gateways, view } = found
  const unread = gateways.flatMap(({ host, error }) => (error === null ? [] : [{ host, error }]))
  const table = out.table(
    ['HOST', 'GROUP', 'RUNS', 'STATE', 'FOLLOWS', 'UPDATES'],
    services.map((service) => [
      service.host,
      service.group,
      service.ident,
      stateOf(service),
      `${service.view ?? ''}${service.status === null ? '' : `: ${service.status}`}`,
      [service.strategy, service.strategy === 'none' ? null : service.condition]
        .filter((part) => part !== null)
        .join(', '),
    ]),
  )
  return [
    ...(services.length === 0 ? ['No service was found.'] : [table]),
    ...unread.map(({ host, error }) => out.style('red', printable(`${host} cannot be read: ${error}`))),
    ...(view === null ? [] : [progressOf(found), ...remarks(found)]),
  ].join('\n')
}

function stateOf({ is_up, health, restarts }: FleetService): string {
  const parts = [is_up ? 'up' : 'down', ...(health === 'unknown' ? [] : [health])]
  if (restarts !== null && restarts > 0) parts.push(restarts === 1 ? '1 restart' : `${restarts} restarts`)
  return parts.join(', ')
}

function remarks({ view, services }: Fleet): string[] {
  const following = services.filter((service) => service.view === view)
  const ahead = following.filter(({ status }) => status === 'ahead')
  const fixed = following.filter(({ follows_rollback }) => follows_rollback === false)
  const silent = following.filter(({ follows_rollback }) => follows_rollback === null)
  return [
    ...(ahead.length === 0 ? [] : [`Higher than the view, after a rollback: ${namesOf(ahead)}.`]),
    ...(fixed.length === 0
      ? []
      : [`Would not follow a rollback (strategy none, or update condition latest): ${namesOf(fixed)}.`]),
    ...(silent.length === 0 ? [] : [`Do not tell whether they would follow a rollback: ${namesOf(silent)}.`]),
  ]
}

function namesOf(services: readonly { readonly host: string; readonly group: string }[]): string {
  const named = services.slice(0, MAX_NAMED).map(({ host, group }) => printable(`${group} on ${host}`))
  const more = services.length - named.length
  return `${named.join(', ')}${more === 0 ? '' : ` and ${more} more`}`
}
