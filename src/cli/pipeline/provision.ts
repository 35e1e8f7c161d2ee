import { RequestRefused } from '../../client/errors.ts'
import type { Change, Promotion } from '../../client/operations.ts'
import { shellWord } from '../../text/shell-quote.ts'
import { EXIT } from '../exit-codes.ts'
import { changesAnything, decisionOf } from '../remote/views/change-view.ts'
import type { Connected } from '../remote/connect.ts'
import { planText, promotionText } from '../remote/views/change-text.ts'
import { converge, convergenceOf } from './converge.ts'
import type { WaitOptions } from './converge.ts'
import { presentReleases } from './environment.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { passedReport } from './progress.ts'
import { watchSuperseding } from './superseding.ts'

export interface ProvisionOptions extends WaitOptions {
  readonly override?: string | undefined
  /** Whether to promote a change again that the view had and no longer has. */
  readonly again?: boolean | undefined
}

/** Promotes the releases of a change into a view. With `--wait`, waits until the environment runs them. */
export async function provision(
  context: PhaseContext,
  connected: Connected,
  { change, view, options }: { change: Change; view: string; options: ProvisionOptions },
): Promise<Outcome> {
  const { config } = context.project
  const convergence = await convergenceOf(context.io, context.project, options)
  const targets = [...new Set([...change.targets, ...(config.targets ?? [])])]
  const published = presentReleases(change)
  const missing = targets.filter((target) => published.every((release) => release.target !== target))
  if (published.length === 0 || missing.length > 0)
    return {
      status: 'failed',
      message: `nothing was published${missing.length === 0 ? '' : ` for ${missing.join(' and ')}`}, so nothing was promoted: run hart-depot pipeline publish first`,
    }
  if (
    passedReport(change, 'provision', view) !== undefined &&
    !change.delivered.includes(view) &&
    options.again !== true
  )
    return {
      status: 'failed',
      message: `${view} had this change, and has another one by now; --again promotes this one again`,
    }
  const promotion = await promote(connected, {
    change,
    view,
    isWithDeps: config.provision.with_deps,
    options,
  })
  if ('blocked' in promotion) return { status: 'failed', message: promotion.blocked, exitCode: EXIT.refused }
  const { delivered } = await connected.depot.getChange({ id: change.id })
  const passed = {
    status: 'passed',
    message: delivered.includes(view)
      ? promotion.done
      : `${promotion.done}, but another release is the latest in it, so supervisors do not get it`,
    more: { promotion: promotion.promotion },
  } as const
  if (convergence === undefined) return passed
  await using superseding = watchSuperseding(connected, change)
  const signal = AbortSignal.any([context.signal, superseding.signal])
  const failure = await converge({ ...context, signal }, convergence, { change, view })
  return failure ?? { ...passed, message: `${promotion.done}, and runs there` }
}

/** Another pipeline may change the view between the plan and its application. */
const MAX_ATTEMPTS = 10

async function promote(
  { depot, out }: Connected,
  {
    change,
    view,
    isWithDeps,
    options,
  }: { change: Change; view: string; isWithDeps: boolean; options: ProvisionOptions },
): Promise<{ blocked: string } | { done: string; promotion: Promotion | null }> {
  const releases = presentReleases(change).map(({ release, target }) => ({ ident: release, target }))
  const body = {
    act: 'promote',
    releases,
    reason: `change ${change.change} of ${change.project}`,
    ...(isWithDeps && { with_deps: true }),
  } as const
  const idents = [...new Set(releases.map(({ ident }) => ident))] // one ident may have several targets
  const names = idents.join(', ')
  for (let attempt = 1; ; attempt += 1) {
    const plan = await depot.createPlan({ view, body })
    if (!changesAnything(plan)) return { done: `${view} has ${names}`, promotion: null }
    if (plan.blocked.length > 0 && options.override === undefined) {
      out.note(planText(out, plan))
      const rules = plan.blocked.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ')
      const advice = plan.blocked.every(({ rule }) => rule === 'approval')
        ? `. A second person must approve it: hart-depot propose promote ${view} ${idents.map(shellWord).join(' ')}`
        : ''
      return { blocked: `${view} refuses ${names} (${rules})${advice}` }
    }
    try {
      const promotion = await depot.applyPlan({ plan: plan.plan, body: decisionOf(options) })
      out.note(promotionText(out, promotion))
      return { done: `${view} has ${names}`, promotion }
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.code !== 'stale_plan' || attempt === MAX_ATTEMPTS)
        throw error
    }
  }
}
