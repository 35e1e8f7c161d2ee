import { text } from 'node:stream/consumers'
import { parseDepotUrl } from '../../client/depot-url.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { isInteractive } from '../io.ts'
import type { Io } from '../io.ts'
import { connect, makeClient, remoteOptions } from './connect.ts'
import { checkToken, isSameDepot, profilesFile, readProfiles, writeProfiles } from './profiles.ts'
import type { Profile } from './profiles.ts'

const DEFAULT_PROFILE = 'default'

export const login: Define = (command, io) =>
  command
    .argument('<url>', 'the depot, for example https://depot.example')
    .option('--with-token', 'read the token from stdin')
    .option('--ci', 'in a job of GitHub Actions, GitLab or Buildkite: get a token for this job')
    .option('--rule <name>', 'with --ci: the exchange rule to use, if several match')
    .option('--audience <url>', 'with --ci: the URL by which the depot knows itself, if it is another one')
    .option(
      '--print-token',
      'with --ci: print the token, for example for HAB_AUTH_TOKEN, and do not store it',
    )
    .option('--profile <name>', 'the name under which to store it', DEFAULT_PROFILE)
    .addHelpText(
      'after',
      examples([
        [
          'login https://depot.example --with-token < token.txt',
          'store a token, and use this depot from now on',
        ],
        ['login https://depot.example --ci', 'get a short-lived token in a job of a CI system, and store it'],
        [
          'login http://127.0.0.1:9636 --profile local',
          'store a depot without a token, or use the one that this profile has of it',
        ],
      ]),
    )
    .action(async (given, options) => {
      const { withToken, profile } = options
      const url = parseBaseUrl(given)
      expectOneKind(options)
      if (options.ci === true) return loginOfJob(io, url, options)
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

interface JobOptions {
  readonly withToken?: true | undefined
  readonly ci?: true | undefined
  readonly rule?: string | undefined
  readonly audience?: string | undefined
  readonly printToken?: true | undefined
  readonly profile: string
}

function expectOneKind({ withToken, ci, rule, audience, printToken }: JobOptions): void {
  if (ci === true && withToken === true) throw new UsageError('--ci and --with-token exclude each other')
  if (ci !== true && (rule !== undefined || audience !== undefined || printToken === true))
    throw new UsageError('--rule, --audience and --print-token belong to --ci')
}

/**
 * Exchanges the ID token of a job for a token of the depot. The audience is the URL that the user gave: if
 * the depot chose it, a hostile depot could get an ID token for another one.
 */
async function loginOfJob(io: Io, url: string, options: JobOptions): Promise<void> {
  const { rule, profile, audience = url, printToken } = options
  const { requestIdToken } = await import('./ci-token.ts')
  const idToken = await requestIdToken(io, audience)
  const depot = makeClient(io, { url, token: undefined, source: 'the command line' })
  const { token, ...made } = await depot.exchangeToken({
    body: { id_token: idToken, ...(rule !== undefined && { rule }) },
  })
  depot.close()
  // GitHub hides the token in the rest of the log after this line.
  if (io.env['GITHUB_ACTIONS'] === 'true') io.stderr.write(`::add-mask::${token}\n`)
  const who = `As ${made.account} on ${url} until ${made.expires_at}, by the rule ${made.rule}`
  if (printToken === true) {
    io.stdout.write(`${token}\n`)
    io.stderr.write(`${who}.\n`)
    return
  }
  const { profiles } = readProfiles(io)
  writeProfiles(io, { current: profile, profiles: { ...profiles, [profile]: { url, token } } })
  io.stderr.write(`${who}; stored as profile ${profile} in ${profilesFile(io)}.\n`)
}

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
