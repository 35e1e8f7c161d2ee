import { RequestRefused } from '../../../client/errors.ts'
import type { StatePlan } from '../../../client/operations.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import type { Output } from '../../output.ts'
import { decisionOf } from './change-view.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { connectToChange } from '../connect.ts'
import type { RemoteOptions } from '../connect.ts'
import { readStateFiles } from './state-files.ts'
import type { StateFiles } from './state-files.ts'
import { changedText, stateText } from './state-text.ts'

// `plan -f` and `apply -f`: views as files describe them.

const NO_CHANGES = 'No changes: the views are as the files describe them.'

const PLAN_ID = /^[0-9a-f]{32}$/

interface PlanOptions extends RemoteOptions {
  readonly exitCode?: true | undefined
}

/** Shows what would change if the views became as the files describe them. */
export async function planFiles(io: Io, names: readonly string[], options: PlanOptions): Promise<void> {
  const { depot, out } = connectToChange(io, options)
  const files = await readStateFiles(io, names)
  const plan = await files.send(async () => depot.planState({ body: { views: files.views } }))
  out.show(plan, {
    whole: () => (plan.changed ? `${stateText(out, plan, files)}\n${nextStep(names, plan)}` : NO_CHANGES),
    brief: () => [plan.plan],
  })
  if (options.exitCode === true && plan.changed) throw new Exit(EXIT.differs)
}

interface ApplyOptions extends RemoteOptions {
  readonly plan?: string | undefined
  readonly reason?: string | undefined
  readonly override?: string | undefined
  readonly yes?: true | undefined
}

/**
 * Makes the views as the files describe them, in one change. On a terminal, shows the plan and asks. Throws
 * {@link Exit} with `stale` if there are changes and the plan is not the given or the shown one any more, and
 * with `refused` or `noRights` if a gate blocks it and is not overridden.
 */
export async function applyFiles(io: Io, names: readonly string[], options: ApplyOptions): Promise<void> {
  if (options.plan !== undefined && !PLAN_ID.test(options.plan))
    throw new UsageError(`${JSON.stringify(options.plan)} is not the ID of a plan, which plan -f shows`)
  const { depot, out } = connectToChange(io, options)
  const files = await readStateFiles(io, names)
  const { views } = files
  const plan = await files.send(async () => depot.planState({ body: { views } }))
  if (options.plan !== undefined && plan.changed && options.plan !== plan.plan)
    throw staleOf(io, { out, names, files, plan })
  expectUnblocked(io, { out, files, plan }, options)
  if (plan.changed && shouldAsk(io, options)) {
    io.stderr.write(`${stateText(out, plan, files)}\n`)
    await confirm(io, 'Make these changes?')
  }
  const change = await files.send(async () => {
    try {
      return await depot.applyState({ body: { views, plan: plan.plan, ...decisionOf(options) } })
    } catch (error) {
      const next = newPlanOf(error)
      throw next === undefined ? error : staleOf(io, { out, names, files, plan: next })
    }
  })
  out.show(change, {
    whole: () => (change.changed ? changedText(change) : NO_CHANGES),
    brief: () => change.views.filter(({ act }) => act !== 'keep').map(({ view }) => view),
  })
}

interface ShownPlan {
  readonly out: Output
  readonly files: StateFiles
  readonly plan: StatePlan
}

/** Throws {@link Exit} if something blocks the plan and no override is given. */
function expectUnblocked(
  io: Io,
  { out, files, plan }: ShownPlan,
  { override }: Pick<ApplyOptions, 'override'>,
): void {
  const blocked = causesOf(plan)
  if (blocked.length === 0 || override !== undefined) return // the depot says what cannot be overridden
  io.stderr.write(`${stateText(out, plan, files)}\n`)
  const lacksRights = blocked.some(({ rule }) => rule === 'rights')
  throw new Exit(
    lacksRights ? EXIT.noRights : EXIT.refused,
    `the depot refuses the changes for ${reasons(blocked.length)}, so nothing was changed`,
  )
}

/** Shows the plan that replaces a stale one, and returns the error to throw. */
function staleOf(io: Io, { out, files, plan, names }: ShownPlan & { names: readonly string[] }): Exit {
  const text = plan.changed ? `${stateText(out, plan, files)}\n${nextStep(names, plan)}` : NO_CHANGES
  io.stderr.write(`${text}\n`)
  return new Exit(EXIT.stale, 'the views would change in another way now, so nothing was changed')
}

function newPlanOf(error: unknown): StatePlan | undefined {
  if (!(error instanceof RequestRefused) || error.code !== 'stale_plan') return undefined
  return error.problem['plan'] as StatePlan | undefined
}

/** Returns what blocks a plan. */
function causesOf(plan: StatePlan) {
  return plan.views.flatMap((view) => view.blocked)
}

function reasons(count: number): string {
  return count === 1 ? 'one reason' : `${count} reasons`
}

/** Says how to make the changes of a plan, or that they are blocked. */
function nextStep(names: readonly string[], plan: StatePlan): string {
  const causes = causesOf(plan)
  if (causes.length > 0)
    return `These changes are blocked for ${reasons(causes.length)}: apply would refuse them.`
  const again = names.includes('-') ? ', with the same stdin again' : ''
  return `To make exactly these changes${again}: hart-depot apply -f ${names.join(' ')} --plan ${plan.plan}`
}
