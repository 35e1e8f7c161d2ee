import { deleteExpiredBriefTokens } from '../../accounts/account-store.ts'
import { DepotError, shorten } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { PROVIDERS, matchesRule } from '../../signin/exchange-rule.ts'
import type { Claims, ExchangeRule } from '../../signin/exchange-rule.ts'
import { listRules } from '../../signin/exchange-rule-store.ts'
import { deleteExpiredSpentTokens, findSpentToken, writeSpentToken } from '../../signin/spent-token-store.ts'
import type { VerifiedToken } from '../../signin/verify-id-token.ts'
import { issueToken, revokeToken } from './issue-token.ts'

const MAX_SUBJECT_LENGTH = 150

interface Exchange {
  /** The ID token, which the submitter has verified. */
  readonly idToken: VerifiedToken
  /** The name of the rule to use. It may be absent if only one rule matches. */
  readonly rule?: string
  /** The hash of the token to issue. */
  readonly hash: string
  readonly idempotencyKey?: string
}

/**
 * Exchanges an ID token of a CI system for a token of this depot, by the rule that matches its claims. Each
 * ID token can be exchanged once. A repeated request with the same idempotency key revokes the token of the
 * first request and issues another. Throws `unauthenticated` for an ID token that was exchanged before,
 * `forbidden` if no rule matches, and `conflict` if several rules match, if the account is disabled, or if
 * the token of the first request is already revoked.
 */
export async function exchangeToken(
  context: CommandContext,
  { idToken, rule: name, hash, idempotencyKey }: Exchange,
): Promise<{ tokenId: number; rule: string }> {
  const { trx, clock } = context
  const rule = await findMatch(context, idToken, name)
  const spent = await findSpentToken(trx, idToken.hash)
  if (spent !== undefined) {
    if (spent.idempotencyKey === undefined || spent.idempotencyKey !== idempotencyKey)
      throw new DepotError('unauthenticated', 'this ID token was exchanged before: request a new one')
    await revokeToken(context, { tokenId: spent.tokenId })
  }
  const { issuer, subject } = idToken
  const { tokenId } = await issueToken(context, {
    account: rule.account,
    hash,
    label: `${rule.name}: ${shorten(subject, MAX_SUBJECT_LENGTH)}`,
    scope: rule.scope,
    expiresAt: clock.now + rule.lifetimeMs,
    exchange: { rule: rule.name, issuer, subject },
  })
  await deleteExpiredSpentTokens(trx, clock.now)
  await deleteExpiredBriefTokens(trx, clock.now)
  await writeSpentToken(trx, { hash: idToken.hash, idempotencyKey, tokenId, expiresAt: idToken.expiresAt })
  return { tokenId, rule: rule.name }
}

/**
 * Returns the rule that matches a job. Everyone can get ID tokens of a public CI system, so the message of
 * `forbidden` names only claims of the job, and reveals nothing about the rules.
 */
async function findMatch(
  { trx }: CommandContext,
  { issuer, claims }: VerifiedToken,
  name: string | undefined,
): Promise<ExchangeRule> {
  const matching = (await listRules(trx, { issuer })).filter((rule) => matchesRule(rule, claims))
  const [first, ...others] = name === undefined ? matching : matching.filter((rule) => rule.name === name)
  if (first === undefined)
    throw new DepotError(
      'forbidden',
      `no exchange rule${name === undefined ? '' : ` ${name}`} matches this job of ${issuer}: ${describe(claims)}`,
    )
  if (others.length > 0)
    throw new DepotError(
      'conflict',
      `several exchange rules match this job: name one of ${[first, ...others].map((rule) => rule.name).join(', ')}`,
    )
  return first
}

/** Lists those claims of a job that rules often name, with their values. */
function describe(claims: Claims): string {
  const immutable = Object.values(PROVIDERS).flatMap((provider): readonly string[] => provider.immutable)
  const shown = [...immutable, ...OFTEN_NAMED].filter((claim) => claims[claim] !== undefined)
  return shorten(shown.map((claim) => `${claim} ${JSON.stringify(claims[claim])}`).join(', '), 1_000)
}

const OFTEN_NAMED = ['ref', 'ref_type', 'ref_protected', 'environment', 'job_workflow_ref', 'build_branch']
