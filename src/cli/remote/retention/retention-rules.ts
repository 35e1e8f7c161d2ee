import type { RetentionRule, ScopedRetentionRule } from '../../../client/operations.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { periodMs, wholeNumber } from '../arguments.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'

// The limits of the depot, which refuses the fields of its API; a user knows the options.
const MOST_KEPT_LAST = 1_000
const LONGEST_PERIOD_DAYS = 3_650
const MOST_VIEWS = 20
const DAY_MS = 24 * 60 * 60_000

export const retentionRules: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['retention rules', 'list what stays although nothing needs it'],
        ['retention rules --json', 'print it as JSON'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const { rules } = await depot.listRetentionRules()
      out.show(rules, {
        whole: () =>
          out.table(
            ['FOR', 'KEEPS', 'BY', 'SINCE'],
            rules.map((rule) => [nameOf(rule), rule.text, rule.by ?? '', rule.since]),
          ),
        brief: () => rules.map(nameOf),
      })
    })

export const retentionSet: Define = (command, io) =>
  scopeOptions(remoteOptions(command))
    .option('--keep-all', 'everything stays; not with --view, whose members stay without a rule')
    .option('--keep-last <number>', 'the highest versions of each package and target stay', keptLast)
    .option(
      '--newer-than <period>',
      'what was published, or joined the view, within this time stays, such as 90d',
    )
    .option(
      '--promoted-to <view>',
      `what was ever in this view stays; not with --view; ${SEVERAL}`,
      collect,
      [],
    )
    .option('--history <period>', 'of a view: how long what left it stays; the default is 30d')
    .addHelpText(
      'after',
      `${examples([
        [
          'retention set --origin acme --keep-last 5 --newer-than 90d --promoted-to delivered',
          'for an origin',
        ],
        ['retention set --package acme/app --keep-all', 'exempt a package'],
        ['retention set --view stable --keep-last 3 --history 14d', 'let members of a view go'],
      ])}

A package may have a rule before its first release. The depot applies a rule by itself after a day. hart-depot retention --dry-run shows before what goes.`,
    )
    .action(async ({ depot: ofDepot, origin, package: name, view, ...given }) => {
      const { keepAll, keepLast, newerThan, promotedTo, history, ...options } = given
      expectRuleFits({ view, keepAll, keepLast, newerThan, promotedTo, history })
      const { depot, out } = connectToChange(io, options)
      const body: RetentionRule = {
        ...(keepAll === true && { keep_all: true }),
        ...(keepLast !== undefined && { keep_last: keepLast }),
        ...(newerThan !== undefined && { newer_than_seconds: secondsOf(newerThan, '--newer-than') }),
        ...(promotedTo.length > 0 && { promoted_to: promotedTo }),
        ...(history !== undefined && { history_seconds: secondsOf(history, '--history') }),
      }
      const rule = await scopeOf(depot, { depot: ofDepot, origin, package: name, view }).set(body)
      out.show(rule, {
        whole: () =>
          `Kept of ${nameOf(rule)}: ${rule.text}. The depot applies this by itself from ${rule.applies_after} on; hart-depot retention --dry-run shows what goes.`,
      })
    })

export const retentionUnset: Define = (command, io) =>
  scopeOptions(remoteOptions(command))
    .addHelpText(
      'after',
      examples([
        ['retention unset --package acme/app', 'let the rule of the origin count again'],
        ['retention unset --depot', 'remove the rule of the depot'],
      ]),
    )
    .action(async ({ depot: ofDepot, origin, package: name, view, ...options }) => {
      const { depot, out } = connectToChange(io, options)
      await scopeOf(depot, { depot: ofDepot, origin, package: name, view }).remove()
      out.show({}, { whole: () => 'The retention rule is removed.' })
    })

interface RuleOptions {
  readonly view: string | undefined
  readonly keepAll: true | undefined
  readonly keepLast: number | undefined
  readonly newerThan: string | undefined
  readonly promotedTo: readonly string[]
  readonly history: string | undefined
}

/** Throws a UsageError if the options do not make a rule. The depot says this in terms of its fields. */
function expectRuleFits({ view, keepAll, keepLast, newerThan, promotedTo, history }: RuleOptions): void {
  const keepsSome = keepLast !== undefined || newerThan !== undefined || promotedTo.length > 0
  if (view !== undefined && (keepAll === true || promotedTo.length > 0))
    throw new UsageError(
      'the rule of a view has --keep-last, --newer-than and --history: without the first two, all members stay',
    )
  if (view === undefined && history !== undefined) throw new UsageError('--history is for --view')
  if (promotedTo.length > MOST_VIEWS) throw new UsageError(`--promoted-to takes at most ${MOST_VIEWS} views`)
  if (keepAll === true && keepsSome) throw new UsageError('--keep-all keeps everything: leave out the others')
  if (keepAll === undefined && !keepsSome && history === undefined)
    throw new UsageError('say what stays: --keep-all, --keep-last, --newer-than, --promoted-to or --history')
}

function keptLast(text: string): number {
  const count = wholeNumber(text, '--keep-last')
  if (count >= 1 && count <= MOST_KEPT_LAST) return count
  throw new UsageError(`--keep-last must be from 1 to ${MOST_KEPT_LAST}`)
}

function secondsOf(text: string, option: string): number {
  const ms = periodMs(text, option)
  if (ms >= 1_000 && ms <= LONGEST_PERIOD_DAYS * DAY_MS) return ms / 1_000
  throw new UsageError(`${option} must be from 1s to ${LONGEST_PERIOD_DAYS}d`)
}

interface Scope {
  readonly depot?: true | undefined
  readonly origin?: string | undefined
  readonly package?: string | undefined
  readonly view?: string | undefined
}

function scopeOptions(command: ReturnType<typeof remoteOptions>) {
  return command
    .option('--depot', 'the rule of the whole depot')
    .option('--origin <origin>', 'the rule of an origin, in place of that of the depot')
    .option('--package <package>', 'the rule of a package (origin/name), in place of that of its origin')
    .option('--view <view>', 'the rule of a view')
}

/** Returns the requests for the rule of a scope. Throws a UsageError unless exactly one scope is named. */
function scopeOf(
  depot: Connected['depot'],
  scope: Scope,
): { set: (body: RetentionRule) => Promise<ScopedRetentionRule>; remove: () => Promise<unknown> } {
  const { origin, package: name, view } = scope
  if (Object.values(scope).filter((part) => part !== undefined).length !== 1)
    throw new UsageError('name one of --depot, --origin, --package and --view')
  if (origin !== undefined)
    return {
      set: (body) => depot.setOriginRetention({ origin, body }),
      remove: () => depot.removeOriginRetention({ origin }),
    }
  if (view !== undefined)
    return {
      set: (body) => depot.setViewRetention({ view, body }),
      remove: () => depot.removeViewRetention({ view }),
    }
  if (name === undefined)
    return {
      set: (body) => depot.setDepotRetention({ body }),
      remove: () => depot.removeDepotRetention(),
    }
  const [ofPackage = '', part = '', ...rest] = name.split('/')
  if (part === '' || rest.length > 0)
    throw new UsageError(`a package is origin/name, not ${JSON.stringify(name)}`)
  const path = { origin: ofPackage, name: part }
  return {
    set: (body) => depot.setPackageRetention({ ...path, body }),
    remove: () => depot.removePackageRetention(path),
  }
}

function nameOf({ origin, package: name, view }: ScopedRetentionRule): string {
  if (origin !== null) return `origin ${origin}`
  if (name !== null) return `package ${name}`
  return view === null ? 'the depot' : `view ${view}`
}
