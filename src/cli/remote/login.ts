import { text } from 'node:stream/consumers'
import { parseDepotUrl } from '../../client/depot-url.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { isInteractive } from '../io.ts'
import { connect, makeClient, remoteOptions } from './connect.ts'
import { checkToken, isSameDepot, profilesFile, readProfiles, writeProfiles } from './profiles.ts'
import type { Profile } from './profiles.ts'

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
          'store a depot without a token, or use the one that this profile has of it',
        ],
      ]),
    )
    .action(async (given, { withToken, profile }) => {
      const url = parseBaseUrl(given)
      if (withToken === true && isInteractive(io)) io.stderr.write('Paste the token, and end with Ctrl-D: ')
      const { profiles } = readProfiles(io)
      const kept = withToken === true ? undefined : tokenToKeep(profile, profiles[profile], url)
      const token = withToken === true ? checkToken(await text(io.stdin), 'stdin') : kept
      const tokenAdvice = `The token came from ${kept === undefined ? 'stdin' : `profile ${profile}`}: give a valid one with --with-token`
      const depot = makeClient(io, { url, token, tokenAdvice, source: 'the command line' })
      // Nothing is stored unless the depot answers and accepts the token.
      const account = token === undefined ? undefined : (await depot.whoAmI()).account
      if (account === undefined) await depot.getLedgerHead()
      depot.close()
      const stored = { url, ...(token !== undefined && { token }) }
      writeProfiles(io, { current: profile, profiles: { ...profiles, [profile]: stored } })
      const who =
        account === undefined
          ? 'Without a token'
          : `As ${account}${kept === undefined ? '' : ', with the stored token,'}`
      io.stderr.write(`${who} on ${url}; stored as profile ${profile} in ${profilesFile(io)}.\n`)
    })

/**
 * Returns the token that a login without one leaves in the profile. Throws a UsageError if it is that of
 * another depot.
 */
function tokenToKeep(name: string, stored: Profile | undefined, url: string): string | undefined {
  if (stored?.token === undefined || isSameDepot(stored.url, url)) return stored?.token
  throw new UsageError(
    `profile ${name} has a token of ${stored.url}, which would be lost: replace it with --with-token, store ${url} under another name with --profile NAME, or run hart-depot logout --profile ${name} first`,
  )
}

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
