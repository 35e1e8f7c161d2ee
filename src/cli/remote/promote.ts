import { readFile } from 'node:fs/promises'
import type { NewPromotion } from '../../client/operations.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'
import { UsageError } from '../subcommand.ts'
import { confirm, shouldAsk } from './confirm.ts'
import { connectToChange, remoteOptions } from './connect.ts'
import type { Connected } from './connect.ts'
import { planText, promotionText } from './say-change.ts'

export const promote: Define = (command, io) =>
  remoteOptions(command)
    .argument(
      '<ident-or-view...>',
      'full idents and the view, in either order: the slash tells which is which',
    )
    .option('--from <view>', 'promote the latest releases of another view, VIEW, VIEW@REVISION or VIEW@TIME')
    .option('--origin <origin>', 'with --from: only packages of this origin')
    .option('--name <name>', 'with --from: only packages of this name')
    .option('--lockfile <file>', 'promote the releases of a signed lockfile')
    .option('--target <target>', 'the target of the idents; the default is the only one there is')
    .option('--with-deps', 'also promote all dependencies')
    .option('--exact', 'also remove packages that the source does not have')
    .option('--reason <text>', 'why; it is kept in the history')
    .option('--override <reason>', 'override the rules of the view, for those who may; the reason is kept')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['promote acme/app/1.2.0/20260101120000 acceptance', 'promote one release'],
        [
          'promote delivered --from rehearsal --origin acme --reason "release 42"',
          'promote what another view has',
        ],
        [
          'promote union acme/app/1.2.0/20260101120000 --with-deps --yes',
          'promote with dependencies, without a question',
        ],
      ]),
    )
    .action(async (words, options) => {
      const connected = connectToChange(io, options)
      const { view, idents } = splitWords(words)
      const releases = await readReleases(io, idents, options)
      const { reason, override } = options
      await changeView(io, connected, options, {
        view,
        act: 'promote',
        body: {
          ...releases,
          ...(options.withDeps === true && { with_deps: true }),
          ...(options.exact === true && { exact: true }),
          ...(reason !== undefined && { reason }),
        },
        override,
      })
    })

interface ChangeOfView {
  readonly view: string
  readonly act: 'promote' | 'demote' | 'rollback' | 'revert'
  /** As for a plan. */
  readonly body: object
  readonly override: string | undefined
}

/**
 * Changes a view as one plan, which is bound to the revision that was read. On a terminal, shows the plan and asks. Throws
 * {@link Exit} with `refused` if a rule of the view blocks the plan and is not overridden.
 */
export async function changeView(
  io: Io,
  { depot, out }: Connected,
  options: { readonly yes?: boolean | undefined },
  { view, act, body, override }: ChangeOfView,
): Promise<void> {
  const plan = await depot.createPlan({ view, body: { act, ...body } })
  if (plan.pointers.length === 0 && plan.releases.every(({ change }) => change === 'unchanged')) {
    out.show(plan, { whole: () => `${view} is unchanged, at revision ${plan.revision}.` })
    return
  }
  if (plan.blocked.length > 0 && override === undefined) {
    io.stderr.write(`${planText(out, plan)}\n`)
    throw new Exit(EXIT.refused, `${view} refuses the change, so nothing was changed`)
  }
  if (shouldAsk(io, options)) {
    io.stderr.write(`${planText(out, plan)}\n`)
    await confirm(io, `Change ${view}?`)
  }
  const promotion = await depot.applyPlan({
    plan: plan.plan,
    body: override === undefined ? {} : { override: { reason: override } },
  })
  out.show(promotion, { whole: () => promotionText(out, promotion), brief: () => [promotion.revision_id] })
}

/** Tells idents from the view. Throws a UsageError unless there is exactly one view. */
export function splitWords(words: readonly string[]): { view: string; idents: string[] } {
  const idents = words.filter((word) => word.includes('/'))
  const [view, ...others] = words.filter((word) => !word.includes('/'))
  if (view === undefined) throw new UsageError('the view is missing, for example acceptance')
  if (others.length > 0)
    throw new UsageError(`${[view, ...others].join(' and ')} both look like views: an ident has slashes`)
  return { view, idents }
}

async function readReleases(
  io: Io,
  idents: readonly string[],
  options: Readonly<Partial<Record<'from' | 'origin' | 'name' | 'lockfile' | 'target', string>>>,
): Promise<Pick<NewPromotion, 'releases' | 'target' | 'from' | 'lockfile'>> {
  const { from, origin, name, lockfile, target } = options
  const given = [idents.length > 0, from !== undefined, lockfile !== undefined].filter(Boolean)
  if (given.length !== 1)
    throw new UsageError('name what to promote in one of three ways: idents, --from or --lockfile')
  if (from === undefined && (origin !== undefined || name !== undefined))
    throw new UsageError('--origin and --name need --from')
  if (lockfile !== undefined) return { lockfile: await readFile(pathOf(io, lockfile), 'utf8') }
  if (from !== undefined) {
    const { view, at } = splitAt(from)
    return {
      from: {
        view,
        ...(at !== undefined && { at }),
        ...(origin !== undefined && { origin }),
        ...(name !== undefined && { name }),
      },
    }
  }
  return {
    releases: [...idents],
    ...(target !== undefined && { target: target as NonNullable<NewPromotion['target']> }),
  }
}

/** Splits `VIEW@REVISION` or `VIEW@TIME` at its last `@`, if a revision or a time follows. */
export function splitAt(text: string): { view: string; at: string | undefined } {
  const [, view, at] = /^(.+)@(\d+(?:-[0-9a-f]{16})?|\d{4}-\d\d-\d\d.*)$/.exec(text) ?? []
  return view === undefined ? { view: text, at: undefined } : { view, at }
}
