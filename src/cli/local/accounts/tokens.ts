import { ACTIONS } from '../../../access/access.ts'
import type { Action, Scope } from '../../../access/access.ts'
import { getToken, listTokens } from '../../../accounts/account-store.ts'
import { generateToken, hashToken, parseExpiry } from '../../../accounts/token.ts'
import { wireToken } from '../../../http/api/tokens/wire.ts'
import { isOriginName } from '../../../package/ident.ts'
import { didYouMean } from '../../../text/nearest.ts'
import { isViewName } from '../../../views/view.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import { Output } from '../../output.ts'
import {
  showNewToken,
  showTokens,
  tokenAddOptions,
  tokenListOptions,
  tokenRevokeOptions,
} from '../../remote/accounts/tokens.ts'
import { readLocalConfig } from '../data-folder.ts'
import { expectNamesExist } from '../expect-names-exist.ts'
import { readTokenFile } from '../other-depot.ts'
import { readDepot } from '../read-depot.ts'
import { submit } from '../submit.ts'

const MAX_LABEL_LENGTH = 200
/** That of DEPOT_ADMIN_TOKEN. */
const MIN_TOKEN_LENGTH = 32

export const tokenAdd: Define = (command, io) =>
  tokenAddOptions(command).action(async (account, options) => {
    if (account === undefined) throw new UsageError('the account is missing')
    const { label = '', expires } = options
    if (label.length > MAX_LABEL_LENGTH)
      throw new UsageError(`the label is longer than ${MAX_LABEL_LENGTH} characters`)
    const scope = scopeOf(options)
    const config = readLocalConfig(io)
    await expectNamesExist(config, { accounts: [account], ...scope })
    const existing = await readExistingToken(io, options.existing)
    const secret = existing ?? generateToken()
    const expiresAt = expires === undefined ? undefined : parseExpiry(expires, io.now())
    const { tokenId } = await submit(config, io, 'issueToken', {
      account,
      hash: hashToken(secret),
      label,
      scope,
      ...(expiresAt !== undefined && { expiresAt }),
    })
    const made = await readDepot(config, async (db) => getToken(db, tokenId))
    const wired = wireToken(made, { now: io.now() })
    const out = new Output(io, options)
    if (existing === undefined) showNewToken(out, { ...wired, secret })
    else
      out.show(wired, {
        whole: () => `stored it as token ${tokenId} of ${account}`,
        brief: () => [String(tokenId)],
      })
  })

export const tokenList: Define = (command, io) =>
  tokenListOptions(command).action(async (account, options) => {
    const config = readLocalConfig(io)
    if (account !== undefined) await expectNamesExist(config, { accounts: [account] })
    const tokens = await readDepot(config, async (db) => listTokens(db, { account }))
    showTokens(
      new Output(io, options),
      tokens.map((token) => wireToken(token, { now: io.now() })),
    )
  })

export const tokenRevoke: Define = (command, io) =>
  tokenRevokeOptions(command).action(async (id, options) => {
    const { account } = await submit(readLocalConfig(io), io, 'revokeToken', { tokenId: id })
    new Output(io, options).show(
      { id, state: 'revoked' },
      { whole: () => `revoked token ${id} of ${account}` },
    )
  })

/** Reads a token that was made elsewhere. Throws a UsageError for one that can be guessed. */
async function readExistingToken(io: Io, file: string | undefined): Promise<string | undefined> {
  const token = await readTokenFile(io, file)
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH)
    throw new UsageError(`the token must have at least ${MIN_TOKEN_LENGTH} characters`)
  return token
}

function scopeOf(values: {
  action?: string[] | undefined
  origin?: string[] | undefined
  view?: string[] | undefined
}): Scope {
  const actions = parseList(values.action, `an action: ${ACTIONS.join(', ')}`, isAction)
  const origins = parseList(values.origin, "an origin's name", isOriginName)
  const views = parseList(values.view, "a view's name", isViewName)
  return { ...(actions && { actions }), ...(origins && { origins }), ...(views && { views }) }
}

/**
 * Returns the values of an option that can be repeated. Throws a UsageError for a value that is not `what`.
 */
function parseList<T extends string>(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => text is T,
): T[] | undefined
function parseList(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => boolean,
): string[] | undefined
function parseList(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => boolean,
): string[] | undefined {
  const wrong = given?.find((text) => !isOne(text))
  if (wrong !== undefined)
    throw new UsageError(
      `${JSON.stringify(wrong)} is not ${what}${didYouMean(wrong, isOne === isAction ? ACTIONS : [])}`,
    )
  return given === undefined ? undefined : [...given]
}

function isAction(text: string): text is Action {
  return ACTIONS.some((action) => action === text)
}
