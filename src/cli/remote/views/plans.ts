import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { CreatePlanInput, Plan } from '../../../client/operations.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define, Example } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import { ACTS } from './acts.ts'
import type { Act } from './acts.ts'
import { elseAdvise } from '../advise.ts'
import { actOptions, changesAnything, decisionOf, readGiven } from './change-view.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import type { RemoteOptions } from '../connect.ts'
import { printable, wholeSeconds } from '../../../text/columns.ts'
import { didYouMean } from '../../../text/nearest.ts'
import type { Output } from '../../output.ts'
import { planText, promotionText } from './change-text.ts'
import { remediesFor } from './remedies.ts'

// A command that is planned or proposed keeps its arguments: `promote …` becomes `plan promote …`.

const ACT_NAMES = Object.values(ACTS).map(({ name }) => name)

export const plan: Define = (command, io) => {
  addActs(command, io, {
    verb: 'plan',
    options: [['--exit-code', 'exit with 8 if the change would make a new revision']],
    make: async (depot, input) => depot.createPlan(input),
  })
  remoteOptions(command.command('show'))
    .description('show a plan or a proposal')
    .argument('<plan>', 'the ID of the plan or proposal')
    .addHelpText(
      'after',
      examples([
        ['plan show 0198c2', 'show what a plan or a proposal would change'],
        ['plan show 0198c2 --json', 'show it as the API does'],
      ]),
    )
    .action(async (id, options) => {
      const { depot, out } = connect(io, options)
      const found = await depot.getPlan({ plan: id })
      out.show(found, { whole: () => wholePlan(out, found), brief: () => [found.plan] })
    })
  // Each act takes the options that follow it.
  return remoteOptions(command.enablePositionalOptions())
    .option('-f, --file <file...>', 'YAML files that describe views; - is stdin')
    .option('--exit-code', 'exit with 8 if the views would change')
    .helpCommand(false)
    .usage('ACT … | -f FILE…')
    .addHelpText(
      'after',
      examples([
        ['plan promote delivered --from rehearsal', 'show what a promotion would change and what blocks it'],
        ['plan rollback delivered --exit-code', 'exit with 8 if a rollback would change anything'],
        ['plan -f views.yml --exit-code', 'exit with 8 if the views differ from a file'],
      ]),
    )
    .allowExcessArguments()
    .action(async ({ file, ...options }, { args: [act] }) => {
      if (act !== undefined)
        throw new UsageError(`there is no change ${JSON.stringify(act)}${didYouMean(act, ACT_NAMES)}`)
      if (file === undefined) throw new UsageError('name a change, such as promote, or files with -f')
      await (await import('./states.ts')).planFiles(io, file, options)
    })
}

export const propose: Define = (command, io) => {
  addActs(command, io, {
    verb: 'propose',
    options: [],
    make: async (depot, input) => depot.propose(input),
  })
  return command
    .helpCommand(false)
    .usage('ACT …')
    .addHelpText(
      'after',
      examples([
        ['propose promote delivered --from rehearsal', 'let a second person approve a promotion'],
        ['propose rollback delivered --reason "it crashes"', 'let a second person approve a rollback'],
      ]),
    )
}

interface ActVerb {
  readonly verb: 'plan' | 'propose'
  readonly options: readonly (readonly [flags: string, description: string])[]
  readonly make: (depot: DepotClient, input: CreatePlanInput) => Promise<Plan>
}

/** Adds a command below `plan` or `propose` for each act. */
function addActs(command: Parameters<Define>[0], io: Io, { verb, options: own, make }: ActVerb): void {
  for (const act of Object.values(ACTS)) {
    const one = actOptions(command.command(act.name), act)
    for (const [flags, description] of own) one.option(flags, description)
    one
      .description(`${verb} to ${act.summary}`)
      .addHelpText('after', examples(prefixed(act, verb)))
      .action(async (...given: unknown[]) => {
        const { words, options } = readGiven(given)
        const { depot, out } = connectToChange(io, options)
        const { view, body } = await act.read(words, options, { io, depot })
        const made = await make(depot, { view, body: { ...body, ...reasonOf(options), act: act.name } })
        out.show(made, { whole: () => wholePlan(out, made), brief: () => [made.plan] })
        if (options.exitCode === true && changesAnything(made)) throw new Exit(EXIT.differs)
      })
  }
}

export const apply: Define = (command, io) =>
  decisionOptions(command, '[plan]', 'the ID of the plan')
    .option('-f, --file <file...>', 'make the views as these YAML files describe them; - is stdin')
    .option('--plan <id>', 'with -f: only if the plan is this one, which plan -f has shown')
    .addHelpText(
      'after',
      examples([
        [
          'apply 0198c2',
          'make the change that hart-depot plan has shown; exit with 4 if the view has changed since',
        ],
        [
          'apply 0198c2 --override "customers are down"',
          'make it although a gate blocks it, for those who may',
        ],
        ['apply -f views.yml lines.yml --yes', 'make all views as files describe them, or none'],
      ]),
    )
    .action(async (id, { file, plan: expected, ...options }) => {
      if ((id === undefined) === (file === undefined)) throw new UsageError('name a plan, or files with -f')
      if (id !== undefined) await decide(io, 'apply', id, options)
      else if (file !== undefined)
        await (await import('./states.ts')).applyFiles(io, file, { ...options, plan: expected })
    })

export const approve: Define = (command, io) =>
  decisionOptions(command, '<plan>', 'the ID of the proposal')
    .addHelpText(
      'after',
      examples([
        ['approve 0198c2', 'show the proposal, ask, and make its change'],
        ['approve 0198c2 --yes --reason "tested by hand"', 'make it without a question'],
      ]),
    )
    .action(async (id, options) => decide(io, 'approve', id, options))

function decisionOptions<Argument extends '<plan>' | '[plan]'>(
  command: Parameters<Define>[0],
  argument: Argument,
  description: string,
) {
  return remoteOptions(command)
    .argument(argument, description)
    .option('--reason <text>', 'why; it is kept in the history')
    .option('--override <reason>', 'override the gates of the view, for those who may; the reason is kept')
    .option('-y, --yes', 'do not ask')
}

interface DecisionOptions extends RemoteOptions {
  readonly reason?: string | undefined
  readonly override?: string | undefined
  readonly yes?: true | undefined
}

const PLANS = 'hart-depot proposals lists the open proposals, and hart-depot plan makes a plan'

/** Applies a plan or approves a proposal. On a terminal, shows it and asks. */
async function decide(
  io: Io,
  verb: 'apply' | 'approve',
  id: string,
  options: DecisionOptions,
): Promise<void> {
  const { depot, out } = connectToChange(io, options)
  if (shouldAsk(io, options)) {
    const shown = await elseAdvise(depot.getPlan({ plan: id }), PLANS)
    io.stderr.write(`${planText(out, shown)}\n`)
    await confirm(io, `Change ${shown.view}?`)
  }
  const input = { plan: id, body: decisionOf(options) }
  const decision = verb === 'apply' ? depot.applyPlan(input) : depot.approveProposal(input)
  const promotion = await elseAdvise(decision, PLANS).catch((error: unknown) => {
    const stale = staleOf(error)
    if (stale === undefined) throw error
    io.stderr.write(`${wholePlan(out, stale.next)}\n`)
    throw new Exit(EXIT.stale, `${stale.message}. Nothing was changed`)
  })
  out.show(promotion, {
    whole: () => promotionText(out, promotion),
    brief: () => [promotion.revision_id],
  })
}

export const reject: Define = (command, io) =>
  remoteOptions(command)
    .argument('<plan>', 'the ID of the proposal')
    .option('--reason <text>', 'why; it is kept with the proposal')
    .addHelpText(
      'after',
      examples([
        ['reject 0198c2', 'end a proposal without making its change'],
        ['reject 0198c2 --reason "wait for Monday"', 'say why'],
      ]),
    )
    .action(async (id, options) => {
      const { depot, out } = connectToChange(io, options)
      const ended = await elseAdvise(depot.rejectProposal({ plan: id, body: reasonOf(options) }), PLANS)
      out.show(ended, { whole: () => `Rejected the proposal to ${ended.act} in ${ended.view}.` })
    })

export const proposals: Define = (command, io) =>
  remoteOptions(command)
    .argument('[view]', 'only the proposals for this view')
    .option('--all', 'also those that have ended')
    .addHelpText(
      'after',
      examples([
        ['proposals', 'list the open proposals of all views'],
        ['proposals delivered --all', 'list every proposal that the depot still has for a view'],
      ]),
    )
    .action(async (given, options) => {
      const { depot, out } = connect(io, options)
      const views =
        given === undefined
          ? (await Array.fromAsync(depot.each('listViews', {}))).map(({ name }) => name)
          : [given]
      const state = options.all === true ? 'all' : 'open'
      const list: Plan[] = []
      for (const view of views)
        list.push(...(await Array.fromAsync(depot.each('listProposals', { view, state }))))
      out.show(list, {
        whole: () => (list.length === 0 ? 'There are no proposals.' : list.map(proposalLine).join('\n')),
        brief: () => list.map(({ plan: id }) => id),
      })
    })

/** Returns the plan that the depot made in place of a stale one, and what it said. */
function staleOf(error: unknown): { next: Plan; message: string } | undefined {
  if (!(error instanceof RequestRefused) || error.code !== 'stale_plan') return undefined
  const next = error.problem['plan'] as Plan | undefined
  return next && { next, message: error.message }
}

/** Formats a proposal as a line, because a table would cut its ID on a narrow terminal. */
function proposalLine({ plan: id, state, act, view, releases, account, reason, expires_at }: Plan): string {
  return printable(
    `${id}  ${state}: ${act} in ${view}, ${counted(releases.length, 'release')}, by ${account ?? 'nobody'}, until ${wholeSeconds(expires_at)}${reason === null ? '' : `: ${reason}`}`,
  )
}

/** Formats a plan or proposal with its state and the command that applies it. */
function wholePlan(out: Output, made: Plan): string {
  if (made.state !== 'open')
    return `${planText(out, made)}\n${made.kind} ${made.plan} for ${made.view} is ${made.state}.`
  if (!changesAnything(made)) return `${made.view} would not change; it is at revision ${made.revision}.`
  if (made.kind === 'proposal')
    return `${planText(out, made)}\nProposal ${made.plan} can be approved until ${wholeSeconds(made.expires_at)}: hart-depot approve ${made.plan}`
  const name = `Plan ${made.plan} for ${made.view} at revision ${made.revision}`
  if (made.blocked.length > 0)
    return `${planText(out, made)}\n${name} is blocked. ${remediesFor(made, `hart-depot apply ${made.plan} --override REASON`)}`
  const next = `${name} can be applied until ${wholeSeconds(made.expires_at)}: hart-depot apply ${made.plan}`
  return `${planText(out, made)}\n${next}`
}

function reasonOf({ reason }: { reason?: string | undefined }): { reason?: string } {
  return reason === undefined ? {} : { reason }
}

/** Returns the examples of an act for the command `plan` or `propose`. */
function prefixed({ examples: [first, second, ...more] }: Act, verb: string): Act['examples'] {
  const prefix = ([line, does]: Example): Example => [`${verb} ${line}`, does]
  return [prefix(first), prefix(second), ...more.map(prefix)]
}
