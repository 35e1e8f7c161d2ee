import type { SetOriginGroupInput } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

export const originGroups: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addHelpText(
      'after',
      examples([
        ['origin groups acme', 'list the groups of the single sign-on that have a role in an origin'],
        ['origin groups acme --quiet', 'print only their names'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connect(io, options)
      const found = await depot.listOriginGroups({ origin })
      out.show(found, {
        whole: () =>
          out.table(
            ['GROUP', 'ROLE'],
            found.groups.map(({ group, role }) => [group, role]),
          ),
        brief: () => found.groups.map(({ group }) => group),
      })
    })

export const originAddGroup: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<group>', 'the group, as the single sign-on names it')
    .option('--role <role>', 'readonly_member, member, maintainer or administrator', 'member')
    .addHelpText(
      'after',
      examples([
        ['origin add-group acme developers', 'let the people of a group publish packages of an origin'],
        [
          'origin add-group acme payments --role maintainer',
          'add a group with another role, or change its role',
        ],
      ]),
    )
    .action(async (origin, group, options) => {
      const { depot, out } = connectToChange(io, options)
      const role = options.role as SetOriginGroupInput['body']['role'] // the depot checks it
      const set = await depot.setOriginGroup({ origin, group, body: { role } })
      out.show(set, {
        whole: () => `the group ${group} is ${role} of ${origin} ${set.changed ? 'now' : 'already'}`,
      })
    })

export const originRemoveGroup: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<group>', 'the group')
    .addHelpText(
      'after',
      examples([
        [
          'origin remove-group acme developers',
          'take the role of a group, also from people who are signed in',
        ],
        ['origin remove-group acme developers --quiet', 'do so and print nothing'],
      ]),
    )
    .action(async (origin, group, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.removeOriginGroup({ origin, group })
      out.show({ origin, group }, { whole: () => `the group ${group} has no role in ${origin} any more` })
    })
