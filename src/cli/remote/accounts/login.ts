import { text } from 'node:stream/consumers'
import { parseDepotUrl } from '../../../client/depot-url.ts'
import type { WhoAmI } from '../../../client/operations.ts'
import { wholeSeconds } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { isInteractive } from '../../io.ts'
import type { Io } from '../../io.ts'
import { connect, makeClient, remoteOptions } from '../connect.ts'
import { checkToken, isSameDepot, profilesFile, readProfiles, writeProfiles } from './profiles.ts'
import type { Profile } from './profiles.ts'
import { limitsOf } from './tokens.ts'

const DEFAULT_PROFILE = 'default'
/** How much longer to wait after `slow_down` (RFC 8628, 3.5). */
const SLOWER_MS = 5_000

export const login: Define = (command, io) =>
  command
    .argument('<url>', 'the depot, for example https://depot.example')
    .option('--with-token', 'read the token from stdin')
    .option('--sso', 'sign in with the single sign-on of the depot, in any browser')
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
        ['login https://depot.example --sso', 'sign in as a person, for twelve hours'],
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
      if (options.sso === true) return loginOfPerson(io, url, options)
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

interface Options {
  readonly sso?: true | undefined
  readonly withToken?: true | undefined
  readonly ci?: true | undefined
  readonly rule?: string | undefined
  readonly audience?: string | undefined
  readonly printToken?: true | undefined
  readonly profile: string
}

function expectOneKind({ withToken, sso, ci, rule, audience, printToken }: Options): void {
  if ([withToken, sso, ci].filter((kind) => kind === true).length > 1)
    throw new UsageError('--ci, --sso and --with-token exclude each other')
  if (ci !== true && (rule !== undefined || audience !== undefined || printToken === true))
    throw new UsageError('--rule, --audience and --print-token belong to --ci')
}

/**
 * Exchanges the ID token of a job for a token of the depot. The audience is the URL that the user gave: if
 * the depot chose it, a hostile depot could get an ID token for another one.
 */
async function loginOfJob(io: Io, url: string, options: Options): Promise<void> {
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
  const who = `As ${made.account} on ${url} until ${wholeSeconds(made.expires_at)}, by the rule ${made.rule}`
  if (printToken === true) {
    io.stdout.write(`${token}\n`)
    io.stderr.write(`${who}.\n`)
    return
  }
  store(io, profile, { url, token })
  io.stderr.write(`${who}; stored as profile ${profile} in ${profilesFile(io)}.\n`)
}

/** Lets a person sign in in a browser, perhaps on another machine, and stores the token (RFC 8628). */
async function loginOfPerson(io: Io, url: string, { profile }: Options): Promise<void> {
  const depot = makeClient(io, { url, token: undefined, source: 'the command line' })
  const begun = await depot.startDeviceSignIn()
  const place = begun.complete_url ?? begun.verification_url
  io.stderr.write(`Open ${place}\nand check that it shows the code ${begun.user_code}.\n`)
  let intervalMs = begun.interval_seconds * 1_000
  for (;;) {
    await io.pause(intervalMs, io.signal)
    const {
      state,
      token,
      account,
      expires_at: until,
    } = await depot.finishDeviceSignIn({
      body: { device_code: begun.device_code },
    })
    if (state === 'slow_down') intervalMs += SLOWER_MS
    if (token === null) continue
    depot.close()
    store(io, profile, { url, token })
    io.stderr.write(
      `As ${account} on ${url} until ${until}; stored as profile ${profile} in ${profilesFile(io)}.\n`,
    )
    return
  }
}

function store(io: Io, name: string, profile: Profile): void {
  const { profiles } = readProfiles(io)
  writeProfiles(io, { current: name, profiles: { ...profiles, [name]: profile } })
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
        whole: () => [`${me.account} on ${depot.url} (${target.source})`, ...rightsOf(me)].join('\n'),
        brief: () => [me.account],
      })
    })

/** Describes what the account and its token may do, a line each. */
function rightsOf({ administrator, groups, roles, token }: WhoAmI): string[] {
  const limits = limitsOf(token)
  const end = token.expires_at === null ? '' : ` until ${wholeSeconds(token.expires_at)}`
  return [
    ...(administrator ? ['administrator of the depot'] : []),
    ...Object.entries(roles).map(([origin, role]) => `${role.replace('_', ' ')} of ${origin}`),
    ...(groups.length === 0 ? [] : [`in the groups ${groups.join(', ')}`]),
    `token ${token.id}${end}${limits === '' ? '' : `, only for ${limits}`}`,
  ]
}

/** Returns the URL of the depot itself. Throws a UsageError. */
function parseBaseUrl(given: string): string {
  try {
    return parseDepotUrl(given).base
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  }
}
