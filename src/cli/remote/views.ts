import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { connect, remoteOptions } from './connect.ts'

export const views: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['views', 'list the views of the depot'],
        ['views --quiet', 'print only their names'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listViews', {}))
      out.show(list, {
        whole: () =>
          out.table(
            ['VIEW', 'RULE', 'REVISION', 'CREATED'],
            list.map(({ name, rule, revision, created_at }) => [name, rule, String(revision), created_at]),
          ),
        brief: () => list.map(({ name }) => name),
      })
    })
