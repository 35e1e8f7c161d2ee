import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { PromotionOutcome } from './make-revision.ts'
import { changeView, expectRevision, expectStillAllowed } from './promote.ts'
import type { ChangeOptions } from './promote.ts'
import { setUngoverned } from './ungoverned.ts'
import type { ViewRule } from '../../views/rule.ts'
import { expectAsRead } from '../../views/settings-digest.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'

/** Absent fields of the view are kept. */
export interface SetViewInput extends ChangeOptions {
  readonly view: string
  readonly rule?: ViewRule
  /** The origins that the view does not govern; see {@link View}. */
  readonly ungoverned?: readonly string[]
  /** The digest of the ungoverned origins that the submitter has read. They must not have changed since. */
  readonly readUngoverned?: string
}

export interface SetViewOutcome {
  readonly view: View
  readonly promotion?: PromotionOutcome
}

/**
 * Sets a view's rule and the origins that it does not govern. A new rule makes one revision, which is
 * returned as `promotion`. Throws `not_found` for the view, `refused` for previews, `stale_settings` for
 * origins that have changed since they were read, the errors of `changeView` for a new rule, and those of
 * `expectRevision`.
 */
export async function setView(context: CommandContext, input: SetViewInput): Promise<SetViewOutcome> {
  const { view: name, rule, ungoverned, readUngoverned, idempotency, ...options } = input
  return runOnce<SetViewOutcome>(
    context,
    idempotency,
    {
      expectStillAllowed: async ({ promotion }) => {
        if (promotion !== undefined) await expectStillAllowed(context, promotion)
      },
    },
    async () => {
      const before = await getView(context.trx, name)
      if (before.preview !== undefined)
        throw new DepotError(
          'refused',
          `${before.name} is a preview: it has the rule and the origins of its view`,
        )
      await expectRevision(context, before, options)
      if (ungoverned !== undefined)
        expectAsRead(before.ungoverned, {
          read: readUngoverned,
          wanted: ungoverned,
          what: `the origins that ${before.name} does not govern`,
        })
      const promotion =
        rule !== undefined && rule !== before.rule
          ? await changeView(context, { ...options, request: { view: before.name, act: 'set-rule', rule } })
          : undefined
      if (ungoverned !== undefined) await setUngoverned(context, before, ungoverned)
      return { view: await getView(context.trx, before.name), ...(promotion && { promotion }) }
    },
  )
}
