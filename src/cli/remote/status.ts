import type { DepotClient, Readiness } from '../../client/client.ts'
import { NotADepot, RequestRefused } from '../../client/errors.ts'
import type { Version } from '../../client/operations.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { explain } from '../failure.ts'
import { connect, remoteOptions } from './connect.ts'
import { pollersOf, troublesOf } from './following/pollers.ts'

export const status: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['status', 'show the version of the depot, whether it is ready, and who you are'],
        ['status --quiet', 'print nothing; the exit code is 0 if the depot is ready'],
      ]),
    )
    .action(async (options) => {
      const { depot, out, target } = connect(io, options)
      const { version, ...readiness } = await stateOf(depot)
      const { ready, reasons } = readiness
      // A depot that is not ready cannot look the token up.
      const account = target.token === undefined || !ready ? null : (await depot.whoAmI()).account
      const pollers = account === null ? null : await pollersOf(depot)
      out.show(
        { url: depot.url, version, ...readiness, account, pollers },
        {
          whole: () =>
            [
              `${depot.url} (${target.source}) is hart-depot${version === null ? '' : ` ${version}`}.`,
              ready ? 'It is ready.' : 'It is not ready for requests.',
              ...reasons.map((reason) => `It reports: ${reason}.`),
              ...(ready ? [account === null ? 'You have no token for it.' : `You are ${account}.`] : []),
              ...(pollers === null ? [] : troublesOf(pollers)),
            ].join('\n'),
        },
      )
      if (!ready) throw new Exit(EXIT.failed)
    })

/** Asks for the version and the readiness. A depot that is not ready may not tell its version. */
async function stateOf(depot: DepotClient): Promise<Readiness & { version: string | null }> {
  try {
    const { version } = await versionOf(depot)
    return { version, ...(await depot.checkReadiness()) }
  } catch (error) {
    if (!(error instanceof RequestRefused) || error.status < 500) throw error
    const readiness = await depot.checkReadiness()
    if (readiness.ready) throw error
    return { version: null, ...readiness }
  }
}

/**
 * Asks a server for its version. Throws {@link Exit} with a sentence if it is no hart-depot, or an older one.
 */
export async function versionOf(depot: DepotClient): Promise<Version> {
  try {
    const found = await depot.getVersion()
    if ((found as Partial<Version> | undefined)?.name === 'hart-depot') return found
  } catch (error) {
    const isOther = error instanceof NotADepot || (error instanceof RequestRefused && error.status === 404)
    if (!isOther) throw error
    throw new Exit(
      EXIT.unreachable,
      `${depot.url} is not a hart-depot, or one that is older than this program: ${explain(error)}`,
    )
  }
  throw new Exit(EXIT.unreachable, `${depot.url} answers, but it is not a hart-depot`)
}
