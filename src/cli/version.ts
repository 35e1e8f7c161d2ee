import { readVersion } from '../package-root.ts'
import { examples } from './command.ts'
import type { Define } from './command.ts'
import type { Io } from './io.ts'
import { connect, remoteOptions } from './remote/connect.ts'
import type { Connected, RemoteOptions } from './remote/connect.ts'
import { versionOf } from './remote/status.ts'
import { UsageError } from './exit-codes.ts'

export const version: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['version', 'print the version of this program, and of the depot if there is one'],
        ['version --url https://depot.example', 'ask another depot'],
      ]),
    )
    .action(async (options) => {
      const connected = connectIfNamed(io, options)
      const own = { name: 'hart-depot', version: readVersion() }
      if (connected === undefined) {
        const text =
          options.json === true
            ? JSON.stringify({ ...own, depot: null }, undefined, 2)
            : `hart-depot ${own.version}`
        io.stdout.write(`${text}\n`)
        return
      }
      const { depot, out } = connected
      const remote = await versionOf(depot)
      out.show(
        { ...own, depot: { url: depot.url, ...remote } },
        {
          whole: () => `hart-depot ${own.version}\n${depot.url} is hart-depot ${remote.version}.`,
          brief: () => [own.version],
        },
      )
    })

/** Connects to the depot, if the options, the environment or a profile give its URL. */
function connectIfNamed(io: Io, options: RemoteOptions): Connected | undefined {
  try {
    return connect(io, options)
  } catch (error) {
    if (error instanceof UsageError && options.url === undefined && options.profile === undefined)
      return undefined
    throw error
  }
}
