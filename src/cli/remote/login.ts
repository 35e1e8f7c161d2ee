import { text } from 'node:stream/consumers'
import { parseDepotUrl } from '../../client/depot-url.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { isInteractive } from '../io.ts'
import { connect, makeClient, remoteOptions } from './connect.ts'
import { checkToken, profilesFile, readProfiles, writeProfiles } from './profiles.ts'

const DEFAULT_PROFILE = 'default'

export const login: Define = (command, io) =>
  command
    .argument('<url>', 'the depot, for example https://depot.example')
    .option('--with-token', 'read the token from stdin')
    .option('--profile <name>', 'the name under which to store it', DEFAULT_PROFILE)
    .addHelpText(
      'after',
      examples([
        [
          'login https://depot.example --with-token < token.txt',
          'store a token, and use this depot from now on',
        ],
        [
          'login http://127.0.0.1:9636 --profile local',
          'store a depot without a token, to read what everyone may read',
        ],
      ]),
    )
    .action(async (given, { withToken, profile }) => {
      const url = parseBaseUrl(given)
      if (withToken === true && isInteractive(io)) io.stderr.write('Paste the token, and end with Ctrl-D: ')
      const token = withToken === true ? checkToken(await text(io.stdin), 'stdin') : undefined
      const depot = makeClient(io, { url, token, source: 'the command line' })
      // Nothing is stored unless the depot answers and accepts the token.
      const account = token === undefined ? undefined : (await depot.whoAmI()).account
      if (account === undefined) await depot.getLedgerHead()
      depot.close()
      const { profiles } = readProfiles(io)
      const stored = { url, ...(token !== undefined && { token }) }
      writeProfiles(io, { current: profile, profiles: { ...profiles, [profile]: stored } })
      io.stderr.write(
        `${account === undefined ? 'Without a token' : `As ${account}`} on ${url}; stored as profile ${profile} in ${profilesFile(io)}.\n`,
      )
    })

export const logout: Define = (command, io) =>
  command
    .option('--profile <name>', 'the profile to remove; the default is the current one')
    .addHelpText(
      'after',
      examples([
        ['logout', 'remove the current profile and its token from this machine'],
        ['logout --profile staging', 'remove another profile'],
      ]),
    )
    .action(({ profile }) => {
      const { current, profiles } = readProfiles(io)
      const name = profile ?? current
      if (name === undefined || profiles[name] === undefined)
        throw new UsageError(name === undefined ? 'nobody is logged in' : `there is no profile ${name}`)
      const { [name]: removed, ...others } = profiles
      const [next] = Object.keys(others)
      const nextCurrent = current === name ? next : current
      writeProfiles(io, { profiles: others, ...(nextCurrent !== undefined && { current: nextCurrent }) })
      io.stderr.write(
        `Removed profile ${name} of ${removed?.url}. The token itself stays valid until it is revoked (hart-depot token revoke).\n`,
      )
    })

export const whoami: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['whoami', 'show the account and the rights of the token'],
        ['whoami --quiet', 'print the name of the account alone'],
      ]),
    )
    .action(async (options) => {
      const { depot, out, target } = connect(io, options)
      const me = await depot.whoAmI()
      out.show(me, {
        whole: () => `${me.account} on ${depot.url} (${target.source})`,
        brief: () => [me.account],
      })
    })

/** Returns the URL of the depot itself. Throws a UsageError. */
function parseBaseUrl(given: string): string {
  try {
    return parseDepotUrl(given).base
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  }
}
