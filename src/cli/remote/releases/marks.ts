import type { MarkedRelease } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define, Example } from '../../command.ts'
import { printable } from '../../../text/columns.ts'
import { promotionText } from '../views/change-text.ts'
import { connectToChange, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'
import { IDENT, TARGET, releaseOf } from './releases.ts'

// Commands that set or remove the marks of a release: yanked, deprecated and held.

const APP = 'acme/app/1.2.0/20260101120000'
const OVERRIDE = 'override the freezes of views, for those who may; the reason is kept'

/** Adds the argument, the options and the examples that every command for a mark has. */
function markCommand(command: Parameters<Define>[0], ...lines: [Example, Example]) {
  return remoteOptions(command)
    .argument('<ident>', IDENT)
    .option('--target <target>', TARGET)
    .addHelpText('after', examples(lines))
}

export const yank: Define = (command, io) =>
  markCommand(
    command,
    [`yank ${APP} --reason "it loses data"`, 'take a release away from latest under the rule highest'],
    [
      `yank ${APP} --reason "it loses data" --override "customers are down"`,
      'also where a frozen view contains it',
    ],
  )
    .requiredOption('--reason <text>', 'why; lists and refused promotions show it')
    .option('--override <reason>', OVERRIDE)
    .action(async (ident, { target, reason, override, ...options }) => {
      const body = { reason, ...(override !== undefined && { override: { reason: override } }) }
      await showMarked(connectToChange(io, options), (depot) =>
        depot.yankRelease({ ...releaseOf(ident, target), body }),
      )
    })

export const unyank: Define = (command, io) =>
  markCommand(
    command,
    [`unyank ${APP}`, 'let latest answer a release again'],
    [`unyank ${APP} --override "the freeze is over"`, 'also where a frozen view contains it'],
  )
    .option('--override <reason>', OVERRIDE)
    .action(async (ident, { target, override, ...options }) =>
      showMarked(connectToChange(io, options), (depot) =>
        depot.unyankRelease({ ...releaseOf(ident, target), ...(override !== undefined && { override }) }),
      ),
    )

export const deprecate: Define = (command, io) =>
  markCommand(
    command,
    [`deprecate ${APP} --reason "use acme/app2"`, 'warn of a release in lists and plans'],
    [`deprecate ${APP} --target x86_64-windows --reason "use 1.3"`, 'warn of it for one target'],
  )
    .requiredOption('--reason <text>', 'why, and what to use instead')
    .action(async (ident, { target, reason, ...options }) =>
      showMarked(connectToChange(io, options), (depot) =>
        depot.deprecateRelease({ ...releaseOf(ident, target), body: { reason } }),
      ),
    )

export const undeprecate: Define = (command, io) =>
  markCommand(
    command,
    [`undeprecate ${APP}`, 'end the warnings of a release'],
    [`undeprecate ${APP} --target x86_64-windows`, 'end them for one target'],
  ).action(async (ident, { target, ...options }) =>
    showMarked(connectToChange(io, options), (depot) => depot.undeprecateRelease(releaseOf(ident, target))),
  )

export const hold: Define = (command, io) =>
  markCommand(
    command,
    [`hold ${APP} --reason "evidence of incident 12"`, 'keep a release from deletion'],
    [`hold ${APP} --target x86_64-windows --reason "a customer needs it"`, 'keep it for one target'],
  )
    .requiredOption('--reason <text>', 'why; a refused deletion names it')
    .action(async (ident, { target, reason, ...options }) =>
      showMarked(connectToChange(io, options), (depot) =>
        depot.holdRelease({ ...releaseOf(ident, target), body: { reason } }),
      ),
    )

export const unhold: Define = (command, io) =>
  markCommand(
    command,
    [`unhold ${APP}`, 'let a release be deleted again'],
    [`unhold ${APP} --target x86_64-windows`, 'let it be deleted for one target'],
  ).action(async (ident, { target, ...options }) =>
    showMarked(connectToChange(io, options), (depot) => depot.unholdRelease(releaseOf(ident, target))),
  )

async function showMarked(
  { depot, out }: Connected,
  change: (depot: Connected['depot']) => Promise<MarkedRelease>,
): Promise<void> {
  const marked = await change(depot)
  const { ident, target, changed, promotions } = marked
  out.show(marked, {
    whole: () =>
      [
        `${ident} (${target}) is ${changed ? 'now' : 'still'} ${stateOf(marked)}.`,
        ...promotions.map((promotion) => promotionText(out, promotion)),
      ].join('\n\n'),
    brief: () => promotions.map(({ view, revision_id }) => `${view} ${revision_id}`),
  })
}

/** Says which marks a release has. */
export function stateOf({ yank: yanked, deprecation, hold: held }: Marks): string {
  const states = [
    ['yanked', yanked],
    ['deprecated', deprecation],
    ['held', held],
  ] as const
  const texts = states.flatMap(([state, notice]) =>
    notice === null ? [] : [`${state} (${printable(notice.reason)})`],
  )
  return texts.length === 0 ? 'neither yanked, deprecated nor held' : texts.join(', ')
}

type Marks = Pick<MarkedRelease, 'yank' | 'deprecation' | 'hold'>
