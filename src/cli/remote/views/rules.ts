import { stringify } from 'yaml'
import type { Gates, NewGates } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { printable, wholeSeconds } from '../../../text/columns.ts'
import { UsageError } from '../../exit-codes.ts'
import { packageFilterOf, timeOf } from '../arguments.ts'
import type { PackageFilter } from '../arguments.ts'
import { decisionOf } from './change-view.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import { readYaml } from '../yaml-file.ts'

const OVERRIDE = [
  '--override <reason>',
  'override the gates of the view, for those who may; the reason is kept',
] as const

export const freeze: Define = (command, io) =>
  remoteOptions(command)
    .argument('[view]', 'the view')
    .option('--all', 'freeze every view, and those of the future, but not unstable')
    .option('--origin <origin>', 'only packages of this origin')
    .option('--name <name>', 'only packages of this name')
    .option(
      '--until <period-or-time>',
      'when it ends, for example 6h, 2d or 2026-01-02T08:00:00Z; the default is thaw',
    )
    .requiredOption('--reason <text>', 'why; refused changes name it')
    .option(...OVERRIDE)
    .addHelpText(
      'after',
      examples([
        ['freeze delivered --until 6h --reason "audit"', 'refuse changes of a view for six hours'],
        ['freeze --all --reason "holidays"', 'refuse changes of all views until thaw --all'],
        ['freeze union --origin acme --name app --reason "it crashes"', 'refuse changes of one package'],
      ]),
    )
    .action(async (view, { all, origin, name, until, reason, override, ...options }) => {
      const named = viewOrAll(view, all)
      const only = packageFilterOf({ origin, name })
      const end = until === undefined ? {} : { until: timeOf(until, '--until', { now: io.now(), sign: 1 }) }
      const { depot, out } = connectToChange(io, options)
      const body = { reason, ...end, ...only, ...decisionOf({ override }) }
      const answer =
        named === undefined
          ? await depot.freezeAllViews({ body })
          : await depot.freezeView({ view: named, body })
      out.show(answer, {
        whole: () =>
          `${namesOf(named, only)} ${named === undefined ? 'are' : 'is'} frozen ${end.until === undefined ? 'until somebody thaws it' : `until ${wholeSeconds(end.until)}`}: ${reason}`,
      })
    })

export const thaw: Define = (command, io) =>
  remoteOptions(command)
    .argument('[view]', 'the view')
    .option('--all', 'end a freeze of all views')
    .option('--origin <origin>', 'the freeze of this origin')
    .option('--name <name>', 'the freeze of this package name')
    .option(...OVERRIDE)
    .addHelpText(
      'after',
      examples([
        ['thaw delivered', 'end the freeze of a view'],
        ['thaw union --origin acme --name app', 'end the freeze of one package'],
        ['thaw delivered --override "customers are down"', 'end it, and keep in the ledger why'],
      ]),
    )
    .action(async (view, { all, origin, name, override, ...options }) => {
      const named = viewOrAll(view, all)
      const only = packageFilterOf({ origin, name })
      const { depot, out } = connectToChange(io, options)
      const input = { ...only, ...(override !== undefined && { override }) }
      const before = named === undefined ? await depot.listFreezes() : await depot.getGates({ view: named })
      const wasFrozen = before.freezes.some(
        (one) =>
          one.view === (named ?? null) && one.origin === (origin ?? null) && one.name === (name ?? null),
      )
      const answer =
        named === undefined
          ? await depot.thawAllViews(input)
          : await depot.thawView({ view: named, ...input })
      const { freezes } = answer
      out.show(answer, {
        whole: () =>
          `${wasFrozen ? `Ended the freeze of ${namesOf(named, only)}.` : `${namesOf(named, only)} ${named === undefined ? 'were' : 'was'} not frozen.`}${freezes.length === 0 ? '' : ` Still in force: ${freezes.map(({ reason }) => printable(reason)).join('; ')}.`}`,
      })
    })

export const gates: Define = (command, io) =>
  remoteOptions(command)
    .argument('<view>', 'the view')
    .option('--set <file>', 'replace the gates by those of a YAML or JSON file; - is stdin')
    .option(...OVERRIDE)
    .addHelpText(
      'after',
      examples([
        ['gates delivered > gates.yml', 'write the gates of a view as YAML'],
        [
          'gates delivered --set gates.yml',
          'replace them by those of a file; gates that it lacks are removed',
        ],
      ]),
    )
    .action(async (view, { set, override, ...options }) => {
      if (set === undefined) {
        if (override !== undefined) throw new UsageError('--override needs --set')
        const { depot, out } = connect(io, options)
        const found = await depot.getGates({ view })
        out.show(found, { whole: () => gatesText(found) })
        return
      }
      const { depot, out } = connectToChange(io, options)
      const file = await readYaml(io, set)
      const answer = await file.send(async () =>
        depot.setGates({ view, body: { ...gatesOf(file.value), ...decisionOf({ override }) } }),
      )
      out.show(answer, { whole: () => gatesText(answer) })
    })

/**
 * Returns the gates in the content of a file. The file may be the output of `gates --json`, whose fields that
 * are not gates are left out. Throws a UsageError.
 */
function gatesOf(value: unknown): NewGates {
  if (value === null || value === undefined)
    throw new UsageError('the file has no gates: write {} into it to remove all gates of the view')
  if (typeof value !== 'object' || Array.isArray(value))
    throw new UsageError('the gates must be a mapping, for example closure: view')
  const { view: _view, frozen: _frozen, freezes: _freezes, ...rest } = value as Partial<Gates>
  return rest
}

function gatesText({ view, frozen: _frozen, freezes, requires, ...others }: Gates): string {
  const set = Object.entries({ requires: requires.length === 0 ? null : requires, ...others }).filter(
    ([, value]) => value !== null,
  )
  return [
    set.length === 0 ? `{} # ${view} has no gates` : stringify(Object.fromEntries(set)).trimEnd(),
    ...freezes.map(
      ({ reason, until }) => `# frozen until ${until ?? 'somebody thaws it'}: ${printable(reason)}`,
    ),
  ].join('\n')
}

/** Returns the view, or `undefined` for all. Throws a UsageError unless exactly one of both is given. */
function viewOrAll(view: string | undefined, all: true | undefined): string | undefined {
  if ((view === undefined) !== (all === true)) throw new UsageError('name one view, or give --all')
  return view
}

function namesOf(view: string | undefined, { origin, name }: PackageFilter): string {
  const where = view ?? 'All views'
  return origin === undefined && name === undefined ? where : `${origin ?? '*'}/${name ?? '*'} in ${where}`
}
