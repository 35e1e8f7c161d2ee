import type { Command } from '@commander-js/extra-typings'
import type { NewPlan, Plan } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import type { Act, ActOptions } from './acts.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { remediesFor } from './remedies.ts'
import { connectToChange, remoteOptions } from '../connect.ts'
import type { Connected, RemoteOptions } from '../connect.ts'
import { planText, promotionText } from './change-text.ts'

/** Returns the command that makes a change. */
export function changeCommand(act: Act): Define {
  return (command, io) =>
    actOptions(command, act)
      .option('--override <reason>', 'override the gates of the view, for those who may; the reason is kept')
      .option('-y, --yes', 'do not ask')
      .addHelpText('after', examples(act.examples))
      .action(async (...given: unknown[]) => {
        const { words, options } = readGiven(given)
        const connected = connectToChange(io, options)
        const { view, body } = await act.read(words, options, { io, depot: connected.depot })
        const { reason, override } = options
        await changeView(io, connected, options, {
          view,
          act: act.name,
          body: { ...body, ...(reason !== undefined && { reason }) },
          override,
        })
      })
}

/** The options of all commands that change a view or plan a change. Each command has some of them. */
interface GivenOptions extends ActOptions, RemoteOptions {
  readonly reason?: string
  readonly override?: string
  readonly yes?: true
  readonly exitCode?: true
}

/**
 * Adds the arguments and options of an act, `--reason`, and the options of every command that talks to a
 * depot.
 */
export function actOptions(command: Parameters<Define>[0], act: Act): Command {
  let taken: Command = command
  for (const [name, description] of act.arguments)
    taken = taken.argument(name, description) as unknown as Command // its type lists the arguments by number
  for (const [flags, description] of act.options) taken = taken.option(flags, description)
  return remoteOptions(taken).option('--reason <text>', 'why; it is kept in the history')
}

/** Returns the words and the options of a command line, from what commander passes to an action. */
export function readGiven(given: readonly unknown[]): { words: string[]; options: GivenOptions } {
  return { words: given.slice(0, -2).flat() as string[], options: given.at(-2) as GivenOptions }
}

interface ChangeOfView {
  readonly view: string
  readonly act: NonNullable<NewPlan['act']>
  readonly body: NewPlan
  readonly override: string | undefined
}

/**
 * Makes a plan and applies it. The depot refuses the plan if the view has changed since the plan was made. On
 * a terminal and without `--yes`, shows the plan and asks. Throws {@link Exit} with `refused` if a gate of
 * the view blocks the plan and is not overridden.
 */
export async function changeView(
  io: Io,
  { depot, out }: Connected,
  options: { readonly yes?: boolean | undefined },
  { view, act, body, override }: ChangeOfView,
): Promise<void> {
  const plan = await depot.createPlan({ view, body: { ...body, act } })
  if (!changesAnything(plan) && plan.blocked.length === 0) {
    out.show(plan, { whole: () => `${view} is unchanged, at revision ${plan.revision}.` })
    return
  }
  if (plan.blocked.length > 0 && override === undefined) {
    io.stderr.write(`${planText(out, plan)}\n`)
    throw new Exit(
      EXIT.refused,
      `${view} refuses the change, so nothing was changed. ${remediesFor(plan, '--override REASON')}`,
    )
  }
  if (shouldAsk(io, options)) {
    io.stderr.write(`${planText(out, plan)}\n`)
    await confirm(io, `Change ${view}?`)
  }
  const promotion = await depot.applyPlan({ plan: plan.plan, body: decisionOf({ override }) })
  out.show(promotion, { whole: () => promotionText(out, promotion), brief: () => [promotion.revision_id] })
}

/** Reports whether applying a plan would make a new revision. */
export function changesAnything({ pointers, releases, act, rule }: Plan): boolean {
  return (
    pointers.length > 0 ||
    releases.some(({ change }) => change !== 'unchanged') ||
    (act === 'set-rule' && rule !== null)
  )
}

/** Makes the body of the request that applies a plan or approves a proposal. */
export function decisionOf({
  reason,
  override,
}: {
  reason?: string | undefined
  override?: string | undefined
}) {
  return {
    ...(reason !== undefined && { reason }),
    ...(override !== undefined && { override: { reason: override } }),
  }
}
