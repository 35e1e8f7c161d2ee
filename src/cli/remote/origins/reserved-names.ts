import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { Output } from '../../output.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

const PATTERNS = 'names in which * stands for any text'

export const originReserve: Define = (command, io) =>
  remoteOptions(command)
    .argument('<pattern...>', PATTERNS)
    .addHelpText(
      'after',
      examples([
        ['origin reserve core', 'let only administrators create an origin of this name'],
        ["origin reserve 'acme-*' '*-internal'", 'reserve all names with this beginning or this end'],
      ]),
    )
    .action(async (add, options) => {
      const { depot, out } = connectToChange(io, options)
      show(out, (await depot.reserveNames({ body: { add } })).patterns)
    })

export const originUnreserve: Define = (command, io) =>
  remoteOptions(command)
    .argument('<pattern...>', PATTERNS)
    .addHelpText(
      'after',
      examples([
        ['origin unreserve core', 'let everybody who may create origins create this one'],
        ["origin unreserve 'acme-*'", 'end the reservation of a pattern'],
      ]),
    )
    .action(async (remove, options) => {
      const { depot, out } = connectToChange(io, options)
      show(out, (await depot.reserveNames({ body: { remove } })).patterns)
    })

export const originReserved: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['origin reserved', 'list the names that only administrators may give to origins'],
        ['origin reserved --json', 'print them as JSON'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      show(out, (await depot.listReservedNames()).patterns)
    })

function show(out: Output, patterns: readonly string[]): void {
  out.show(patterns, {
    whole: () =>
      patterns.length === 0
        ? 'No name is reserved.'
        : `Only administrators may create origins with these names: ${patterns.join(' ')}`,
    brief: () => [...patterns],
  })
}
