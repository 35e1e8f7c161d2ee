import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { SetOriginMemberInput } from '../../../client/operations.ts'
import { wholeSeconds } from '../../../text/columns.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

export const originList: Define = (command, io) =>
  remoteOptions(command)
    .option('--member', 'only origins in which you have a role')
    .addHelpText(
      'after',
      examples([
        ['origin list', 'list the origins of the depot'],
        ['origin list --member --quiet', 'print the names of those in which you have a role'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(
        depot.each('listOrigins', options.member === true ? { member: 'true' } : {}),
      )
      out.show(list, {
        whole: () =>
          out.table(
            ['ORIGIN', 'OWNER', 'NEW PACKAGES', 'CREATED', 'YOUR ROLE'],
            list.map(({ name, owner, default_visibility, created_at, role }) => [
              name,
              owner,
              default_visibility,
              created_at,
              role ?? '',
            ]),
          ),
        brief: () => list.map(({ name }) => name),
      })
    })

export const originCreate: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .option('--private', 'make new packages private')
    .addHelpText(
      'after',
      examples([
        ['origin create acme', 'create an origin, which you then own'],
        ['origin create acme --private', 'create one whose new packages only its members see'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const made = await depot.createOrigin({
        body: { name, ...(options.private === true && { default_visibility: 'private' }) },
      })
      out.show(made, {
        whole: () => `created the origin ${name}; ${made.owner} owns it`,
        brief: () => [name],
      })
    })

export const originShow: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addHelpText(
      'after',
      examples([
        ['origin show acme', 'show the owner of an origin, and its packages'],
        ['origin show acme --json', 'print them as JSON'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connect(io, options)
      const origin = await depot.getOrigin({ origin: name })
      const packages = await Array.fromAsync(depot.each('listPackages', { origin: name }))
      out.show(
        { ...origin, packages },
        {
          whole: () =>
            [
              `${name} belongs to ${origin.owner} since ${wholeSeconds(origin.created_at)}; new packages are ${origin.default_visibility}.${origin.is_upstream ? ' Its releases and keys come from upstream.' : ''}`,
              out.table(
                ['PACKAGE', 'TARGETS'],
                packages.map(({ package: one, targets }) => [one, targets.join(' ')]),
              ),
            ].join('\n\n'),
          brief: () => packages.map(({ package: one }) => one),
        },
      )
    })

export const originDelete: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addHelpText(
      'after',
      examples([
        ['origin delete acme', 'delete an empty origin of yours'],
        ['origin delete acme --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.deleteOrigin({ origin })
      out.show({ name: origin, deleted: true }, { whole: () => `deleted the origin ${origin}` })
    })

export const originMembers: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addHelpText(
      'after',
      examples([
        ['origin members acme', 'list the members of an origin and their roles'],
        ['origin members acme --quiet', 'print only their names'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listOriginMembers', { origin }))
      out.show(list, {
        whole: () =>
          out.table(
            ['ACCOUNT', 'ROLE'],
            list.map(({ account, role }) => [account, role]),
          ),
        brief: () => list.map(({ account }) => account),
      })
    })

export const originAddMember: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<account>', 'the account')
    .option('--role <role>', 'readonly_member, member, maintainer or administrator', 'member')
    .addHelpText(
      'after',
      examples([
        ['origin add-member acme ci', 'let an account publish packages of an origin'],
        [
          'origin add-member acme jane --role maintainer',
          'add an account with another role, or change its role',
        ],
      ]),
    )
    .action(async (origin, account, options) => {
      const { depot, out } = connectToChange(io, options)
      const role = options.role as SetOriginMemberInput['body']['role'] // the depot checks it
      const change = await depot.setOriginMember({ origin, account, body: { role } })
      out.show(change, {
        whole: () =>
          change.changed
            ? `${account} is ${role} of ${origin} now`
            : `${account} is ${role} of ${origin} already`,
      })
    })

export const originRemoveMember: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<account>', 'the account')
    .addHelpText(
      'after',
      examples([
        ['origin remove-member acme ci', 'take the role of an account in an origin'],
        ['origin remove-member acme jane --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (origin, account, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.removeOriginMember({ origin, account })
      out.show({ origin, account, removed: true }, { whole: () => `removed ${account} from ${origin}` })
    })

export const originChange: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addOption(
      command
        .createOption('--new-packages <visibility>', 'who sees new packages')
        .choices(['public', 'private'] as const)
        .makeOptionMandatory(),
    )
    .addHelpText(
      'after',
      examples([
        ['origin change acme --new-packages private', 'let only members see new packages'],
        [
          'origin change acme --new-packages public',
          'let everyone see them; existing packages stay as they are',
        ],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connectToChange(io, options)
      const changed = await depot.changeOrigin({
        origin,
        body: { default_visibility: options.newPackages },
      })
      out.show(changed, { whole: () => `new packages of ${origin} are ${changed.default_visibility} now` })
    })

export const originTransfer: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<account>', 'the new owner: a member, or any account if you are an administrator of the depot')
    .option('--remove-owner', 'remove the former owner, who otherwise becomes a maintainer')
    .addHelpText(
      'after',
      examples([
        ['origin transfer acme jane', 'give an origin to another account'],
        ['origin transfer acme jane --remove-owner', 'replace an owner who is gone, as an administrator'],
      ]),
    )
    .action(async (origin, account, options) => {
      const { depot, out } = connectToChange(io, options)
      const formerOwner = options.removeOwner === true ? 'removed' : 'maintainer'
      const changed = await depot.transferOrigin({ origin, body: { account, former_owner: formerOwner } })
      out.show(changed, { whole: () => `${account} owns ${origin} now`, brief: () => [account] })
    })

export const originLeave: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .addHelpText(
      'after',
      examples([
        ['origin leave acme', 'end your membership of an origin'],
        ['origin leave acme --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.leaveOrigin({ origin })
      out.show({ origin, left: true }, { whole: () => `you have left ${origin}` })
    })
