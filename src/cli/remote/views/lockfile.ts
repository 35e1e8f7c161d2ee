import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { GetLockfileInput } from '../../../client/operations.ts'
import { splitMoment } from '../arguments.ts'
import { connect, remoteOptions } from '../connect.ts'

export const lockfile: Define = (command, io) =>
  remoteOptions(command)
    .argument('<view>', 'the view, or VIEW@REVISION or VIEW@TIME')
    .option('--origin <origin>', 'only packages of this origin, with what they need')
    .option('--name <name>', 'only packages of this name, with what they need')
    .option('--target <target>', 'only packages for this target')
    .option('--skip-deleted', 'leave out releases that were deleted since')
    .addHelpText(
      'after',
      `${examples([
        ['lockfile delivered > delivered.lock', 'write what is latest in a view, signed by the depot'],
        ['lockfile delivered@41 --origin acme > acme.lock', 'write a past state, of one origin'],
      ])}

hart-depot promote VIEW --lockfile FILE promotes exactly these releases, here or in another depot that has them; hart-depot pull copies them.`,
    )
    .action(async (given, options) => {
      const { depot, out } = connect(io, options)
      const { view, at } = splitMoment(given)
      const { origin, name, target, skipDeleted } = options
      const answer = await depot.getLockfile({
        view,
        ...(at !== undefined && { at }),
        ...(origin !== undefined && { origin }),
        ...(name !== undefined && { name }),
        ...(target !== undefined && { target: target as NonNullable<GetLockfileInput['target']> }), // the depot checks it
        ...(skipDeleted === true && { skip_deleted: 'true' }),
      })
      const text = (await answer.text()).trimEnd()
      out.show({ view, lockfile: `${text}\n` }, { whole: () => text, brief: () => [text] })
    })
